//! Status of a registration.

use super::{Check, Finding, Known, Serving, condition::clipped, reason};
use crate::{
    controller::crd::{MCPServerRegistrationStatus, RejectedTool},
    report::ServerReport,
};

/// Most rejected tools that a status lists.
const MAX_REJECTED: usize = 20;

/// All that is known of a registration.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// `namespace/name`.
    pub name: &'a str,
    pub enabled: bool,
    pub accepted: Check,
    pub resolved: Check,
    /// Refuses what could hand the credential to the wrong party.
    pub safe: Check,
    pub warnings: Vec<Finding>,
    /// Where it is configured.
    pub serving: Vec<Serving<'a>>,
}

/// The status to write.
pub fn registration(found: &Registration<'_>, known: Known<'_>) -> MCPServerRegistrationStatus {
    let reports: Vec<&ServerReport> = found
        .serving
        .iter()
        .flat_map(|serving| serving.of_server(found.name))
        .filter_map(|(_, server)| server)
        .collect();
    let tools = reports.iter().map(|report| report.tools).min();
    let programmed = programmed(found);
    let ready = ready(found, &programmed, &reports, tools.unwrap_or_default());
    let accepted = found.accepted.clone().map(|()| (reason::ACCEPTED, "attached to a gateway".to_owned()));
    let resolved =
        found.resolved.clone().map(|()| (reason::RESOLVED_REFS, "all references are resolved".to_owned()));
    let programmed = programmed.map(|()| {
        let extensions: Vec<_> = found.serving.iter().map(|serving| serving.extension.to_string()).collect();
        (reason::PROGRAMMED, format!("seen through the Gateway by {}", extensions.join(", ")))
    });
    MCPServerRegistrationStatus {
        conditions: vec![
            known.condition(reason::ACCEPTED, accepted),
            known.condition(reason::RESOLVED_REFS, resolved),
            known.condition(reason::PROGRAMMED, programmed),
            known.condition(reason::READY, ready.map(|message| (reason::READY, message))),
            known.warnings(warnings(found)),
        ],
        discovered_tools: tools.filter(|_| found.enabled),
        rejected_tools: rejected(&reports),
        protocol_revision: reports.iter().find_map(|report| report.revision.clone()),
        last_error: reports.iter().find_map(|report| report.error.clone()).map(clipped),
    }
}

fn programmed(found: &Registration<'_>) -> Check {
    let see =
        |reason, condition| Err(Finding::new(reason, format!("not configured; see condition {condition}")));
    if found.resolved.is_err() {
        return see(reason::NOT_RESOLVED, reason::RESOLVED_REFS);
    }
    if found.accepted.is_err() {
        return see(reason::NOT_ACCEPTED, reason::ACCEPTED);
    }
    found.safe.clone()?;
    for serving in &found.serving {
        if found.enabled { serving.serves(found.name)? } else { serving.has_dropped(found.name)? }
    }
    Ok(())
}

fn ready(
    found: &Registration<'_>,
    programmed: &Check,
    reports: &[&ServerReport],
    tools: u32,
) -> Check<String> {
    found.resolved.clone()?;
    found.accepted.clone()?;
    found.safe.clone()?;
    if !found.enabled {
        return Err(Finding::new(reason::DISABLED, "its tools are not offered; set spec.state to Enabled"));
    }
    programmed.clone()?;
    if let Some(failing) = reports.iter().find(|report| !report.reachable) {
        let error = failing.error.as_deref().unwrap_or("it was not reached yet");
        let message = format!("the server does not list its tools: {error}");
        return Err(Finding::new(reason::SERVER_UNREACHABLE, message));
    }
    Ok(format!("{tools} tools"))
}

fn warnings(found: &Registration<'_>) -> Vec<Finding> {
    let without = |serving: &Serving<'_>| {
        serving
            .of_server(found.name)
            .any(|(_, server)| server.is_some_and(|server| server.guarded == Some(false)))
    };
    let unguarded = found.serving.iter().filter(|serving| without(serving)).map(|serving| {
        let message = format!(
            "the server's host answers requests that did not pass the router of MCPGatewayExtension {}; \
             see whether its EnvoyFilter is in place, and attach the HTTPRoute to no other listener",
            serving.extension
        );
        Finding::new(reason::ANSWERS_WITHOUT_ROUTER, message)
    });
    found.warnings.iter().cloned().chain(unguarded).collect()
}

/// Of the first instance that rejects any: all of them read the same server.
fn rejected(reports: &[&ServerReport]) -> Vec<RejectedTool> {
    let of = |report: &&ServerReport| -> Vec<RejectedTool> {
        let invalid = report
            .rejected
            .iter()
            .map(|tool| RejectedTool { name: tool.name.clone(), reason: clipped(tool.reason.clone()) });
        let clashes = report.clashes.iter().map(|clash| RejectedTool {
            name: clash.tool.clone(),
            reason: format!("the name is taken by {}; give one of the two a toolPrefix", clash.owner),
        });
        invalid.chain(clashes).take(MAX_REJECTED).collect()
    };
    reports.iter().map(of).find(|tools| !tools.is_empty()).unwrap_or_default()
}
