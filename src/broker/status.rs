//! What `/status` says about servers and virtual servers. No secret and no session id is in it.

use serde::Serialize;

use crate::{
    report::{self, Report, ServerReport, VirtualServerReport},
    routing::Primitive,
};

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
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ServerStatus {
    /// `namespace/name`.
    pub name: String,
    /// Which configuration of the server is served: [`report::fingerprint`].
    pub fingerprint: String,
    pub enabled: bool,
    /// Whether the last attempt to list what it has succeeded.
    pub reachable: bool,
    /// Since when it has been so.
    pub since: u64,
    /// Absent until it was reached.
    pub revision: Option<&'static str>,
    pub issues_sessions: bool,
    /// Whether it offers a stream on GET, as far as it is known.
    pub offers_stream: bool,
    /// Whether its streams can be resumed.
    pub has_event_ids: bool,
    /// Tools that are offered; those found before stay while the server is down, and so does all below.
    pub tools: usize,
    pub prompts: usize,
    pub resources: usize,
    pub resource_templates: usize,
    pub rejected: Vec<Rejected>,
    pub conflicts: Vec<Clash>,
    /// Why it is not reachable.
    pub last_error: Option<String>,
    /// When its lists were last read.
    pub last_discovered: Option<u64>,
}

/// An item that is not offered, and why; or a whole list that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    pub kind: ItemKind,
    /// Its name or URI as far as it could be read; empty for a list.
    pub name: String,
    pub reason: String,
}

/// An item that is not offered because an earlier server has the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clash {
    pub kind: ItemKind,
    /// The exposed name.
    pub name: String,
    /// Who has it.
    pub owner: String,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ItemKind {
    Tool,
    Prompt,
    Resource,
    ResourceTemplate,
}

impl From<Primitive> for ItemKind {
    fn from(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Tool => Self::Tool,
            Primitive::Prompt => Self::Prompt,
            Primitive::Resource => Self::Resource,
            Primitive::ResourceTemplate => Self::ResourceTemplate,
        }
    }
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
    /// The same of prompts.
    pub missing_prompts: Vec<String>,
    /// The same of the URIs of resources and templates.
    pub missing_resources: Vec<String>,
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
    /// The controller is told of tools alone.
    fn report(&self) -> ServerReport {
        let rejected = self.rejected.iter().filter(|item| item.kind == ItemKind::Tool);
        let clashes = self.conflicts.iter().filter(|clash| clash.kind == ItemKind::Tool);
        ServerReport {
            fingerprint: self.fingerprint.clone(),
            reachable: self.reachable,
            tools: count(self.tools),
            rejected: rejected
                .map(|tool| report::Rejected { name: tool.name.clone(), reason: tool.reason.clone() })
                .collect(),
            clashes: clashes
                .map(|clash| report::Clash { tool: clash.name.clone(), owner: clash.owner.clone() })
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
