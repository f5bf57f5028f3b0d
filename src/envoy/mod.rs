//! An Envoy bootstrap for a `Spec`; pure.
//!
//! ```text
//!  listener -> ext_proc (router) -> public host  -> broker
//!                                   server's host -> its cluster, only where the router named the server
//!                                                 -> 403 otherwise
//! ```
//!
//! **Invariant**: a route to a server matches on dynamic metadata that only the router sets, so no request
//! reaches a server unless the router decided so, whatever a client sends.

mod address;
mod clusters;
mod errors;
mod ext_proc;
mod listener;
mod routes;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Value, json};

pub use address::{Address, InvalidAddress};
pub use ext_proc::{ExtProc, ext_proc_filter};
pub use routes::{routed_to, unrouted};

use crate::routing::Spec;

/// Namespace of the dynamic metadata between Envoy and the router.
pub const METADATA_NAMESPACE: &str = "mcp_gateway";
/// Key of the name of the server that the router decided for.
pub const METADATA_SERVER: &str = "server";
/// The attribute of a response that tells the router who has answered a probe: a server (`via_upstream`), or Envoy.
pub const RESPONSE_DETAILS: &str = "response.code_details";
/// Where Debian, and most images, keep the certificates of the public authorities.
pub const SYSTEM_CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where Envoy listens and where it finds the gateway.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// For clients.
    pub listen: Address,
    /// Envoy's admin interface; `None`: off.
    pub admin: Option<Address>,
    /// The router.
    pub ext_proc: Address,
    pub broker: Address,
    pub body_mode: BodyMode,
    /// PEM file of the authorities for servers without a bundle of their own.
    pub ca_bundle: PathBuf,
}

/// How request bodies reach the router (`processing_mode.request_body_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyMode {
    /// Whole; the body limit, the timeouts and their errors are Envoy's.
    #[default]
    Buffered,
    /// In pieces both ways; limit and deadline are the router's.
    FullDuplex,
}

/// A complete bootstrap (`envoy.config.bootstrap.v3.Bootstrap`); Envoy 1.36 or newer.
pub fn bootstrap(spec: &Spec, listeners: &Listeners) -> Value {
    let mut bootstrap = json!({
        "node": {"id": "mcp-gateway", "cluster": "mcp-gateway"},
        "static_resources": {
            "listeners": [listener::listener(spec, listeners)],
            "clusters": clusters::clusters(spec, listeners),
        },
        "overload_manager": {
            "resource_monitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": listener::MAX_CONNECTIONS,
                },
            }],
        },
    });
    if let (Some(admin), Some(fields)) = (&listeners.admin, bootstrap.as_object_mut()) {
        fields.insert("admin".to_owned(), json!({"address": admin.to_value()}));
    }
    bootstrap
}

/// `bootstrap` as YAML, with a line on where it comes from.
pub fn to_yaml(bootstrap: &Value) -> String {
    // A tree of JSON values has nothing that YAML could not write; JSON is YAML, should it still fail.
    let yaml = serde_saphyr::to_string(bootstrap).unwrap_or_else(|_unwritable| bootstrap.to_string());
    format!("# Printed by `mcp-gateway envoy`; print it again when servers or public hosts change.\n{yaml}")
}
