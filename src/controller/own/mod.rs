//! The objects that the controller makes, as data; pure.
//!
//! ```text
//!  Attachment  -> EnvoyFilter            (the Gateway's namespace)
//!  PublicRoute -> HTTPRoute              (the extension's)
//!  Spec        -> Secrets, one or more   (the extension's)
//!                 ConfigMap for reports  (the extension's)
//! ```

mod attachment;
mod config;
mod filter;
mod route;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use attachment::{Attachment, CallRoute, External, ServerHost, virtual_host};
pub use config::config_secrets;
pub use filter::envoy_filter;
pub use route::{PublicRoute, http_route};

use super::{
    Body, CONTROLLER, MANAGED_BY, Write,
    object::{Key, Kind},
};
use crate::source;

/// Secret with the configuration, or with the number of the Secrets that it is in: [`shard_names`].
pub const CONFIG_SECRET: &str = "mcp-gateway-config";
/// Secret with the keys that seal session ids.
pub const SESSION_KEY_SECRET: &str = "mcp-gateway-session-key";
/// `ConfigMap` that the data plane reports in.
pub const REPORT: &str = "mcp-gateway-status";
/// `HTTPRoute` of the public host.
pub const ROUTE: &str = "mcp-gateway-route";

/// Port of the data plane's Service for clients' HTTP.
const BROKER_PORT: u16 = 8080;
/// Port of the data plane's Service for Envoy's gRPC.
const ROUTER_PORT: u16 = 50051;

/// Names of the first `count` Secrets of a configuration; there are never more than [`source::MAX_SHARDS`].
pub fn shard_names(count: usize) -> Vec<String> {
    source::shard_names(CONFIG_SECRET).take(count).collect()
}

/// The `ConfigMap` for reports. Data planes fill it in; they may not make it.
pub fn report_config_map(namespace: &str, owners: Vec<Value>) -> Write {
    let body = Body::Object { fields: json!({}), owners };
    Write::Apply { kind: Kind::Report, key: Key::new(namespace, REPORT), body }
}

/// `apiVersion`, `kind` and `metadata` (names, labels) of an object that the controller makes.
pub fn metadata(kind: Kind, key: &Key) -> Map<String, Value> {
    let resource = kind.resource();
    let version = if resource.group.is_empty() {
        resource.version.to_owned()
    } else {
        format!("{}/{}", resource.group, resource.version)
    };
    let metadata = json!({
        "name": key.name,
        "namespace": key.namespace,
        "labels": {MANAGED_BY: CONTROLLER, "app.kubernetes.io/part-of": "mcp-gateway"},
    });
    Map::from_iter([
        ("apiVersion".to_owned(), version.into()),
        ("kind".to_owned(), resource.kind.into()),
        ("metadata".to_owned(), metadata),
    ])
}
