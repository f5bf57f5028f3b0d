//! What a data plane tells the controller: one JSON value for each instance, in a `ConfigMap` of its namespace.

mod bounds;
mod fingerprint;
mod plan;
mod probe;
mod publish;
mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bounds::{MAX_BYTES, bounded};
pub use fingerprint::fingerprint;
pub use probe::{Findings, probe};
pub use publish::Publisher;

/// All that one instance knows. Unknown fields are ignored: controller and data plane may differ in version.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    pub gateway: GatewayReport,
    /// By `namespace/name`.
    pub servers: BTreeMap<String, ServerReport>,
    pub virtual_servers: BTreeMap<String, VirtualServerReport>,
    /// Counts up, at least every 10 s: the instance that has written it lives.
    pub beat: u64,
}

/// Whether a request through the Gateway passes the router and reaches the broker.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayReport {
    /// Absent until it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerReport {
    /// Of what the instance serves: [`fingerprint`].
    pub fingerprint: String,
    /// Whether the last attempt to list its tools succeeded.
    pub reachable: bool,
    /// Tools that are offered.
    pub tools: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clashes: Vec<Clash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Why it is not reachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether a request that the router turns to the server arrives there through the Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_error: Option<String>,
    /// Whether the Gateway refuses a request for the server's host that does not come by the router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Rejected {
    pub name: String,
    pub reason: String,
}

/// A tool that is not offered because an earlier server has the name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Clash {
    pub tool: String,
    pub owner: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct VirtualServerReport {
    pub tools: u32,
    pub missing: Vec<String>,
}
