//! Status of a virtual server.

use super::{Check, Finding, Known, Serving, reason};
use crate::{controller::crd::MCPVirtualServerStatus, report::VirtualServerReport};

/// Most missing tools that a status lists.
const MAX_MISSING: usize = 20;

/// All that is known of a virtual server.
#[derive(Clone, Debug)]
pub struct VirtualServer<'a> {
    /// `namespace/name`.
    pub name: &'a str,
    pub accepted: Check,
    pub warnings: Vec<Finding>,
    /// Every extension: it is offered by all.
    pub serving: Vec<Serving<'a>>,
}

/// The status to write.
pub fn virtual_server(found: &VirtualServer<'_>, known: Known<'_>) -> MCPVirtualServerStatus {
    let reports: Vec<&VirtualServerReport> = found
        .serving
        .iter()
        .flat_map(|serving| &serving.instances)
        .filter_map(|(_, report)| report.virtual_servers.get(found.name))
        .collect();
    let mut missing: Vec<_> = reports.iter().flat_map(|report| &report.missing).cloned().collect();
    missing.sort();
    missing.dedup();
    let missing_count = missing.len();
    missing.truncate(MAX_MISSING);
    let tools = reports.iter().map(|report| report.tools).min();
    let accepted = found.accepted.clone().map(|()| (reason::ACCEPTED, "valid".to_owned()));
    let programmed = programmed(found);
    let ready = found.accepted.clone().and(programmed.clone()).and_then(|()| match missing.first() {
        None => Ok((reason::READY, format!("{} tools", tools.unwrap_or_default()))),
        Some(first) => {
            let message = format!(
                "no server offers {first}{}; register the server, or correct spec.tools",
                match missing_count {
                    1 => String::new(),
                    more => format!(" and {} more tools", more - 1),
                }
            );
            Err(Finding::new(reason::TOOLS_MISSING, message))
        }
    });
    let programmed = programmed.map(|()| (reason::PROGRAMMED, "offered by every gateway".to_owned()));
    MCPVirtualServerStatus {
        conditions: vec![
            known.condition(reason::ACCEPTED, accepted),
            known.condition(reason::PROGRAMMED, programmed),
            known.condition(reason::READY, ready),
            known.warnings(found.warnings.clone()),
        ],
        tools,
        missing_tools: missing,
    }
}

fn programmed(found: &VirtualServer<'_>) -> Check {
    if found.accepted.is_err() {
        return Err(Finding::new(reason::NOT_ACCEPTED, "not configured; see condition Accepted"));
    }
    if found.serving.is_empty() {
        let message = "there is no accepted MCPGatewayExtension in the cluster; create one";
        return Err(Finding::new(reason::NO_EXTENSION, message));
    }
    for serving in &found.serving {
        serving.is_alive()?;
        let without = |report: &crate::report::Report| !report.virtual_servers.contains_key(found.name);
        if let Some((instance, _)) = serving.instances.iter().find(|(_, report)| without(report)) {
            let message = format!(
                "instance {instance} of MCPGatewayExtension {} has not loaded it yet; it does so within \
                 seconds",
                serving.extension
            );
            return Err(Finding::new(reason::PENDING, message));
        }
    }
    Ok(())
}
