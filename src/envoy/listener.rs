//! The listener: connection manager, external processor, router.

use serde_json::{Value, json};

use super::{ExtProc, Listeners, clusters, errors, ext_proc_filter, routes};
use crate::routing::Spec;

/// Clients' connections at once.
pub(super) const MAX_CONNECTIONS: u32 = 50_000;
/// Streams at once on a client's HTTP/2 connection.
const MAX_STREAMS: u32 = 1024;
/// What `:authority` of the router's gRPC calls is.
const AUTHORITY: &str = "mcp-gateway";

/// `envoy.config.listener.v3.Listener`.
pub(super) fn listener(spec: &Spec, listeners: &Listeners) -> Value {
    json!({
        "name": "mcp_gateway",
        "address": listeners.listen.to_value(),
        // With BUFFERED bodies this is the body limit too: 413 above it.
        "per_connection_buffer_limit_bytes": spec.limits.body,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(spec, listeners),
        }]}],
    })
}

fn connection_manager(spec: &Spec, listeners: &Listeners) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mcp_gateway",
        "codec_type": "AUTO",
        // The edge: what clients say about themselves (x-envoy-*, the last x-forwarded-for) is not believed.
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": MAX_STREAMS,
            "initial_stream_window_size": 1 << 20,
            "initial_connection_window_size": 4 << 20,
        },
        "request_headers_timeout": "10s",
        "request_timeout": "300s",
        "stream_idle_timeout": "300s",
        "access_log": [access_log()],
        "local_reply_config": errors::local_reply_config(),
        "route_config": routes::route_config(spec),
        "http_filters": [
            ext_proc_filter(&ExtProc {
                name: "mcp_gateway",
                cluster: clusters::EXT_PROC,
                authority: AUTHORITY,
                body_mode: listeners.body_mode,
            }),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            },
        ],
    })
}

/// One line of JSON a request. No query, no argument, no credential.
fn access_log() -> Value {
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": {
                "time": "%START_TIME%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "protocol": "%PROTOCOL%",
                "http_method": "%REQ(:METHOD)%",
                "authority": "%REQ(:AUTHORITY)%",
                "status": "%RESPONSE_CODE%",
                "flags": "%RESPONSE_FLAGS%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "cluster": "%UPSTREAM_CLUSTER%",
                "duration_ms": "%DURATION%",
                "bytes_received": "%BYTES_RECEIVED%",
                "bytes_sent": "%BYTES_SENT%",
                "mcp_method": "%REQ(X-MCP-METHOD)%",
                "mcp_server": "%REQ(X-MCP-SERVERNAME)%",
                "mcp_tool": "%REQ(X-MCP-TOOLNAME)%",
            }},
        },
    })
}
