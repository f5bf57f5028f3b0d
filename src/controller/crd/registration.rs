//! `MCPServerRegistration`: one MCP server behind an `HTTPRoute`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, RouteRef};

/// The MCP server to register, and how it is called.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mcp.kagenti.com",
    version = "v1alpha1",
    kind = "MCPServerRegistration",
    namespaced,
    status = "MCPServerRegistrationStatus",
    derive = "PartialEq",
    shortname = "mcpsr",
    shortname = "mcpsrs",
    shortname = "mcpserver",
    category = "mcp",
    label("app.kubernetes.io/part-of", "mcp-gateway"),
    doc = "Registers the MCP server behind an HTTPRoute with every MCP gateway on the Gateways that the route is attached to.",
    printcolumn = r#"{"name": "Prefix", "type": "string", "jsonPath": ".spec.toolPrefix"}"#,
    printcolumn = r#"{"name": "Target", "type": "string", "jsonPath": ".spec.targetRef.name"}"#,
    printcolumn = r#"{"name": "Path", "type": "string", "jsonPath": ".spec.path"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Tools", "type": "integer", "jsonPath": ".status.discoveredTools"}"#,
    printcolumn = r#"{"name": "Credentials", "type": "string", "jsonPath": ".spec.credentialRef.name"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "priority": 1}"#
)]
#[x_kube(validation = Rule::new(
    "!has(oldSelf.toolPrefix) || oldSelf.toolPrefix == '' || (has(self.toolPrefix) && self.toolPrefix == oldSelf.toolPrefix)"
).message("toolPrefix cannot be changed once it is set: clients know the tools by it; delete the registration and create it again").field_path(".toolPrefix"))]
#[serde(rename_all = "camelCase")]
pub struct MCPServerRegistrationSpec {
    /// The `HTTPRoute` that leads to the server.
    pub target_ref: RouteRef,
    /// Stands before the names of the server's tools, so that they differ from other servers': `github_` makes `get_me`
    /// `github_get_me`. Lower case letters, digits and `_`, not `_` first. Once set it cannot be changed.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^([a-z0-9][a-z0-9_]*)?$')")
        .message("must be lower case letters, digits and '_', and not begin with '_', such as github_"))]
    pub tool_prefix: String,
    /// Path of the server's MCP endpoint.
    #[serde(default = "path")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self.startsWith('/')").message("must begin with '/', such as /mcp"))]
    #[x_kube(validation = Rule::new("self.matches('^[^\\\\s?#]*$')")
        .message("must be a path alone, without blanks, '?' and '#'"))]
    pub path: String,
    /// The gateway's own credential at the server. Without it the gateway lists the server's tools without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ref: Option<CredentialRef>,
    /// What of the credential goes with a client's tool call. `WhenAbsent`: `authorization` where the client sent none,
    /// and `x-mcp-api-key` always. `Replace`: both always. `Never`: neither, the credential is for listing tools only.
    #[serde(default)]
    pub credential_policy: CredentialPolicy,
    /// Whether clients are offered the server's tools.
    #[serde(default)]
    pub state: State,
}

/// A key of a Secret in the registration's namespace that has the label `mcp.kagenti.com/credential: "true"`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRef {
    /// Name of the Secret. It needs the label `mcp.kagenti.com/credential: "true"`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the Secret whose value is sent as `authorization`: the whole value, such as `Bearer` and a token.
    #[serde(default = "key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What of the credential goes with a tool call.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, JsonSchema)]
pub enum CredentialPolicy {
    /// `x-mcp-api-key` always; `authorization` where the client sent none.
    #[default]
    WhenAbsent,
    /// Both always.
    Replace,
    /// Nothing: the credential is for discovery only.
    Never,
}

/// Whether the server's tools are offered.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, JsonSchema)]
pub enum State {
    #[default]
    Enabled,
    Disabled,
}

/// What became of the registration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerRegistrationStatus {
    /// `Accepted`, `ResolvedRefs`, `Programmed`, `Ready` and `Warnings`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// Number of the server's tools that clients are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovered_tools: Option<u32>,
    /// Tools of the server that clients are not offered, and why; the first 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_tools: Vec<RejectedTool>,
    /// Revision of MCP that the server speaks with the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_revision: Option<String>,
    /// Why the server was not reached the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedTool {
    /// The tool, as the server names it.
    pub name: String,
    /// Why it is not offered.
    pub reason: String,
}

fn path() -> String {
    "/mcp".to_owned()
}

fn key() -> String {
    "token".to_owned()
}
