//! `MCPVirtualServer`: a named subset of what the servers offer.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::Condition;

/// What the virtual server has.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mcp.kagenti.com",
    version = "v1alpha1",
    kind = "MCPVirtualServer",
    namespaced,
    status = "MCPVirtualServerStatus",
    derive = "PartialEq",
    shortname = "mcpvs",
    category = "mcp",
    label("app.kubernetes.io/part-of", "mcp-gateway"),
    doc = "A named subset of the tools, reached at /mcp/virtual/NAMESPACE/NAME of every MCP gateway.",
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Tools", "type": "integer", "jsonPath": ".status.tools"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MCPVirtualServerSpec {
    /// What the tools are for; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub description: Option<String>,
    /// The tools, by the names that clients see: with the prefix of their server.
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tools: Vec<String>,
    /// The prompts, by the names that clients see. Absent: all of the servers whose tools it has; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub prompts: Option<Vec<String>>,
    /// The resources, by the URIs and URI templates that clients see. Absent: all of the servers whose tools it has;
    /// empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 2304)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub resources: Option<Vec<String>>,
}

/// What became of the virtual server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPVirtualServerStatus {
    /// `Accepted`, `Programmed`, `Ready` and `Warnings`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// Number of the tools that clients are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u32>,
    /// Tools that no server offers now; the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_tools: Vec<String>,
}
