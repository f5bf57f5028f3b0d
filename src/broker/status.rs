//! What `/status` says about servers and virtual servers. No secret and no session id is in it.

use serde::Serialize;

use crate::report::{self, Report, ServerReport, VirtualServerReport};

/// The state of everything that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub servers: Vec<ServerStatus>,
    pub virtual_servers: Vec<VirtualServerStatus>,
}

/// The state of one server. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// `namespace/name`.
    pub name: String,
    /// Which configuration of the server is served: [`report::fingerprint`].
    pub fingerprint: String,
    pub enabled: bool,
    /// Whether the last attempt to list its tools succeeded.
    pub reachable: bool,
    /// Since when it has been so.
    pub since: u64,
    /// Absent until it was reached.
    pub revision: Option<&'static str>,
    pub issues_sessions: bool,
    /// Tools that are offered; those found before stay while the server is down.
    pub tools: usize,
    pub rejected_tools: Vec<Rejected>,
    pub conflicts: Vec<Clash>,
    /// Why it is not reachable.
    pub last_error: Option<String>,
    /// When its tools were last listed.
    pub last_discovered: Option<u64>,
}

/// A tool that is not offered, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// As far as it could be read.
    pub name: String,
    pub reason: String,
}

/// A tool that is not offered because an earlier server has the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clash {
    /// The exposed name.
    pub tool: String,
    /// Who has it.
    pub owner: String,
}

/// The state of one virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualServerStatus {
    pub name: String,
    /// Tools that are offered.
    pub tools: usize,
    /// Tools it names that no server offers now.
    pub missing: Vec<String>,
}

impl Status {
    /// What the controller is told of it.
    pub fn report(&self) -> Report {
        let servers = self.servers.iter().map(|server| (server.name.clone(), server.report()));
        let virtual_servers = self.virtual_servers.iter().map(|named| {
            let report = VirtualServerReport { tools: count(named.tools), missing: named.missing.clone() };
            (named.name.clone(), report)
        });
        Report { servers: servers.collect(), virtual_servers: virtual_servers.collect(), ..Report::default() }
    }
}

impl ServerStatus {
    fn report(&self) -> ServerReport {
        let rejected = self.rejected_tools.iter();
        let clashes = self.conflicts.iter();
        ServerReport {
            fingerprint: self.fingerprint.clone(),
            reachable: self.reachable,
            tools: count(self.tools),
            rejected: rejected
                .map(|tool| report::Rejected { name: tool.name.clone(), reason: tool.reason.clone() })
                .collect(),
            clashes: clashes
                .map(|clash| report::Clash { tool: clash.tool.clone(), owner: clash.owner.clone() })
                .collect(),
            revision: self.revision.map(str::to_owned),
            error: self.last_error.clone(),
            ..ServerReport::default()
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
