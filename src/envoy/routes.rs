//! Virtual hosts: the public ones, and one for each server that only the router's decision opens.

use serde_json::{Value, json};

use super::{METADATA_NAMESPACE, METADATA_SERVER, clusters, errors};
use crate::{
    mcp::header::X_MCP_GUARD,
    routing::{Authority, ServerSpec, Spec},
};

/// An event stream that says nothing is kept so long.
const STREAM_IDLE: &str = "3600s";
/// A host, and no more than digits as its port: Envoy ignores whatever stands there, the router does not, and
/// what the router does not take for ours must not reach the broker.
const HOST_AND_PORT: &str = r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?";
/// What Envoy has put into a request, and no server needs to know.
const REMOVED: [&str; 4] =
    ["x-envoy-external-address", "x-envoy-internal", "x-envoy-original-host", "x-envoy-original-path"];

/// `envoy.config.route.v3.RouteConfiguration`.
pub(super) fn route_config(spec: &Spec) -> Value {
    let servers = spec.servers.iter().map(virtual_host);
    let hosts: Vec<Value> = public(spec).into_iter().chain(servers).collect();
    json!({
        "name": "mcp_gateway",
        // `host` and `host:port` are the same host; `:authority` itself stays as the client sent it.
        "ignore_port_in_host_matching": true,
        "virtual_hosts": hosts,
    })
}

fn public(spec: &Spec) -> Option<Value> {
    let domains: Vec<&str> = spec.public_hosts.iter().map(Authority::as_str).collect();
    let route = json!({
        "name": "broker",
        "match": {
            "prefix": "/",
            "headers": [{"name": ":authority", "string_match": {"safe_regex": {"regex": HOST_AND_PORT}}}],
        },
        "route": {"cluster": clusters::BROKER, "timeout": "0s", "idle_timeout": STREAM_IDLE},
    });
    (!domains.is_empty()).then(|| json!({"name": "public", "domains": domains, "routes": [route]}))
}

fn virtual_host(server: &ServerSpec) -> Value {
    let mut routes = Vec::new();
    if server.enabled {
        routes.push(json!({
            "name": server.name.as_str(),
            "match": {
                "prefix": "/",
                "dynamic_metadata": [routed_to(server.name.as_str())],
            },
            "route": {
                "cluster": clusters::name(server),
                "host_rewrite_literal": clusters::host(server),
                "timeout": "0s",
                "idle_timeout": STREAM_IDLE,
                // Nothing has been sent then; any other retry could run a tool twice.
                "retry_policy": {"retry_on": "connect-failure", "num_retries": 2},
            },
            "request_headers_to_remove": REMOVED,
        }));
    }
    routes.push(unrouted());
    json!({"name": server.name.as_str(), "domains": [server.hostname.as_str()], "routes": routes})
}

/// What is true of the requests that the router turned to `server` (`envoy.type.matcher.v3.MetadataMatcher`).
pub fn routed_to(server: &str) -> Value {
    json!({
        "filter": METADATA_NAMESPACE,
        "path": [{"key": METADATA_SERVER}],
        "value": {"string_match": {"exact": server}},
    })
}

/// The last route of a server's host: a refusal of everything that the router did not turn there.
pub fn unrouted() -> Value {
    json!({
        "name": "refused",
        "match": {"prefix": "/"},
        "direct_response": {
            "status": 403,
            "body": {"inline_string": errors::body(-32600, "this host is reached only through the gateway")},
        },
        "response_headers_to_add": [
            header("content-type", "application/json"),
            header(X_MCP_GUARD, "closed"),
        ],
    })
}

fn header(name: &str, value: &str) -> Value {
    json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}
