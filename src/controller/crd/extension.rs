//! `MCPGatewayExtension`: makes a listener of a Gateway an MCP endpoint.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, GatewayRef};

/// Which Gateway becomes an MCP endpoint, and how it behaves.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, CustomResource, KubeSchema)]
#[kube(
    group = "mcp.kagenti.com",
    version = "v1alpha1",
    kind = "MCPGatewayExtension",
    namespaced,
    status = "MCPGatewayExtensionStatus",
    derive = "PartialEq",
    shortname = "mcpge",
    category = "mcp",
    label("app.kubernetes.io/part-of", "mcp-gateway"),
    doc = "Makes a listener of a Gateway an MCP endpoint, served by the mcp-broker-router of the extension's namespace. One for each namespace and one for each port of a Gateway: the oldest counts.",
    printcolumn = r#"{"name": "Gateway", "type": "string", "jsonPath": ".spec.targetRef.name"}"#,
    printcolumn = r#"{"name": "Host", "type": "string", "jsonPath": ".status.publicHost"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct MCPGatewayExtensionSpec {
    /// The Gateway that clients come by.
    pub target_ref: GatewayRef,
    /// Host that clients name, without scheme and port. By default the listener's hostname, with `mcp.` in place of
    /// `*.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')")
        .message("must be a host alone, without scheme, port and path, such as mcp.example.com"))]
    pub public_host: Option<String>,
    /// Where the gateway itself reaches the Gateway: `HOST:PORT`, with `https://` before it where the listener speaks
    /// TLS. By default the Service that Istio makes for the Gateway, `GATEWAY-CLASS.NAMESPACE.svc.cluster.local`, and the
    /// listener's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 270))]
    #[x_kube(validation = Rule::new("self.matches('^(https?://)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$')")
        .message("must be HOST:PORT, with http:// or https:// before it or without, and no path"))]
    pub private_host: Option<String>,
    /// Seconds between lists of the tools of a server that does not announce changes.
    #[serde(default = "ping_interval")]
    #[schemars(range(min = 10, max = 7200))]
    pub backend_ping_interval_seconds: u32,
    /// Whether the controller makes the `HTTPRoute` (`mcp-gateway-route`) that leads the public host's `/mcp` to the
    /// gateway. `Disabled`: you make one yourself.
    #[serde(default)]
    pub http_route_management: HttpRouteManagement,
    /// Web origins, such as `https://app.example.com`, whose pages may call besides the public host's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 270)))]
    #[x_kube(validation = Rule::new("self.all(origin, origin.matches('^https?://[^/?#@\\\\s]+$'))")
        .message("each must be an origin alone, such as https://app.example.com, without path"))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_origins: Vec<String>,
    /// Whether `tools/list` and `tools/call` need a session, also where no server does.
    #[serde(default)]
    pub require_session: bool,
    /// Largest request body, in bytes.
    #[serde(default = "body")]
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub max_body_bytes: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, JsonSchema)]
pub enum HttpRouteManagement {
    #[default]
    Enabled,
    Disabled,
}

/// What became of the extension.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPGatewayExtensionStatus {
    /// `Accepted`, `ResolvedRefs`, `Programmed`, `Ready` and `Warnings`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// Host that clients name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_host: Option<String>,
}

fn ping_interval() -> u32 {
    60
}

fn body() -> u32 {
    4 << 20
}
