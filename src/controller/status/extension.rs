//! Status of an extension.

use super::{Check, Finding, Known, Serving, reason};
use crate::controller::crd::MCPGatewayExtensionStatus;

/// All that is known of an extension.
#[derive(Clone, Debug)]
pub struct Extension<'a> {
    pub accepted: Check,
    pub resolved: Check,
    pub warnings: Vec<Finding>,
    /// What it takes to be attached; absent where it is refused.
    pub attaching: Option<Attaching<'a>>,
}

/// How far an accepted extension has come.
#[derive(Clone, Debug)]
pub struct Attaching<'a> {
    pub public_host: String,
    /// Refuses where the objects that the controller writes cannot be, or are not there yet.
    pub written: Check,
    pub serving: Serving<'a>,
}

/// The status to write.
pub fn extension(found: &Extension<'_>, known: Known<'_>) -> MCPGatewayExtensionStatus {
    let host = found.attaching.as_ref().map(|attaching| attaching.public_host.clone());
    let accepted = found.accepted.clone().map(|()| (reason::ACCEPTED, "attached to a listener".to_owned()));
    let resolved =
        found.resolved.clone().map(|()| (reason::RESOLVED_REFS, "all references are resolved".to_owned()));
    let programmed = programmed(found);
    let ready = found.resolved.clone().and(found.accepted.clone()).and(programmed.clone());
    let serves = format!("serves /mcp of {}", host.as_deref().unwrap_or_default());
    let seen = "the router was seen through the Gateway".to_owned();
    MCPGatewayExtensionStatus {
        conditions: vec![
            known.condition(reason::ACCEPTED, accepted),
            known.condition(reason::RESOLVED_REFS, resolved),
            known.condition(reason::PROGRAMMED, programmed.map(|()| (reason::PROGRAMMED, seen))),
            known.condition(reason::READY, ready.map(|()| (reason::READY, serves))),
            known.warnings(found.warnings.clone()),
        ],
        public_host: host,
    }
}

fn programmed(found: &Extension<'_>) -> Check {
    let see =
        |reason, condition| Err(Finding::new(reason, format!("not configured; see condition {condition}")));
    if found.resolved.is_err() {
        return see(reason::NOT_RESOLVED, reason::RESOLVED_REFS);
    }
    if found.accepted.is_err() {
        return see(reason::NOT_ACCEPTED, reason::ACCEPTED);
    }
    let Some(Attaching { written, serving, .. }) = &found.attaching else { return Ok(()) };
    written.clone()?;
    serving.is_alive()?;
    for (instance, report) in &serving.instances {
        match report.gateway.attached {
            Some(true) => {}
            Some(false) => {
                let error = report.gateway.error.as_deref().unwrap_or("no answer");
                let message = format!(
                    "instance {instance} does not see the router through the Gateway: {error}; see whether \
                     the Gateway is programmed and its proxies run"
                );
                return Err(Finding::new(reason::NOT_ATTACHED, message));
            }
            None => {
                let message = format!("instance {instance} has not tried the way through the Gateway yet");
                return Err(Finding::new(reason::PENDING, message));
            }
        }
    }
    Ok(())
}
