//! References to the Gateway API objects that the custom resources attach to.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The `HTTPRoute` that leads to an MCP server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRef {
    /// API group of the target.
    #[serde(default = "group")]
    #[schemars(extend("enum" = ["gateway.networking.k8s.io"]))]
    pub group: String,
    /// Kind of the target.
    #[serde(default = "route")]
    #[schemars(extend("enum" = ["HTTPRoute"]))]
    pub kind: String,
    /// Name of the target.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the target. By default the registration's own; another one needs a `ReferenceGrant` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// The Gateway that clients reach the gateway through.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// API group of the target.
    #[serde(default = "group")]
    #[schemars(extend("enum" = ["gateway.networking.k8s.io"]))]
    pub group: String,
    /// Kind of the target.
    #[serde(default = "gateway")]
    #[schemars(extend("enum" = ["Gateway"]))]
    pub kind: String,
    /// Name of the target.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the target. By default the extension's own; another one needs a `ReferenceGrant` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The Gateway's listener that clients use. Not needed where only one listener takes the public host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

fn group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

fn route() -> String {
    "HTTPRoute".to_owned()
}

fn gateway() -> String {
    "Gateway".to_owned()
}
