//! The filter that asks the router: the same in a bootstrap and in an `EnvoyFilter`.

use serde_json::{Value, json};

use super::{BodyMode, METADATA_NAMESPACE, RESPONSE_DETAILS};

/// Headers that no processor may set: they are between two hops, or steer Envoy.
const NOT_SETTABLE: &str =
    "^(x-envoy-.*|transfer-encoding|connection|keep-alive|proxy-connection|te|trailer|upgrade)$";

/// What differs between the places that the filter is used in.
#[derive(Clone, Copy, Debug)]
pub struct ExtProc<'a> {
    /// Name of the filter; settings for one route go by it.
    pub name: &'a str,
    /// Envoy's cluster of the router.
    pub cluster: &'a str,
    /// What `:authority` of the router's gRPC calls is; the name of a cluster may be none (`outbound|50051||...`).
    pub authority: &'a str,
    pub body_mode: BodyMode,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter`.
pub fn ext_proc_filter(ext_proc: &ExtProc<'_>) -> Value {
    let ExtProc { name, cluster, authority, body_mode } = ext_proc;
    let mode = match body_mode {
        BodyMode::Buffered => json!({
            "request_header_mode": "SEND",
            "request_body_mode": "BUFFERED",
            "request_trailer_mode": "SKIP",
            // the router asks for them where it needs them
            "response_header_mode": "SKIP",
            "response_body_mode": "NONE",
            "response_trailer_mode": "SKIP",
        }),
        BodyMode::FullDuplex => json!({
            "request_header_mode": "SEND",
            "request_body_mode": "FULL_DUPLEX_STREAMED",
            "request_trailer_mode": "SEND",
            "response_header_mode": "SEND",
            "response_body_mode": "NONE",
            "response_trailer_mode": "SKIP",
        }),
    };
    json!({"name": name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": cluster, "authority": authority},
            "retry_policy": {"num_retries": 2, "retry_on": "connect-failure,reset,unavailable"},
        },
        "processing_mode": mode,
        "allow_mode_override": true,
        "failure_mode_allow": false,
        "message_timeout": "10s",
        "max_message_timeout": "60s",
        "mutation_rules": {"allow_all_routing": true, "disallow_expression": {"regex": NOT_SETTABLE}},
        // says who has answered a probe, a server or Envoy
        "response_attributes": [RESPONSE_DETAILS],
        "metadata_options": {
            "forwarding_namespaces": {"untyped": [METADATA_NAMESPACE]},
            "receiving_namespaces": {"untyped": [METADATA_NAMESPACE]},
        },
    }})
}
