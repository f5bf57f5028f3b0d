//! The `EnvoyFilter` that puts the router in front of one port of a Gateway. Tried on Istio 1.31 with Envoy 1.40.
//!
//! - The filter is off but for the public hosts: other applications on the port neither wait for the router nor fail
//!   with it. A server's host needs no router: its routes match only what the router turned there.
//! - `disabled`, the conditions on routes and the headers that are removed are merged, never replaced: what an
//!   `HTTPRoute` says stays.

use serde_json::{Value, json};

use super::{Attachment, BROKER_PORT, CallRoute, ROUTER_PORT, ServerHost, virtual_host};
use crate::envoy::{BodyMode, ExtProc, ext_proc_filter, routed_to, unrouted};

/// What Envoy and Istio put into requests: the caller's address, and names of the cluster's inside.
const REMOVED: [&str; 12] = [
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];
/// Set after all routes have had their say, when an `HTTPRoute` rewrites the host; only a filter of the cluster sees it.
const REMOVED_LAST: &str = "x-envoy-original-host";

/// Most bytes of patches: etcd takes 1.5 MiB for the whole object.
const MAX_BYTES: usize = 1 << 20;

/// Fields of the `EnvoyFilter` beside `metadata`. With more servers than one object has room for, some hundreds, the
/// router sees every request on the port, and it alone refuses those for a server's host.
pub fn envoy_filter(attachment: &Attachment) -> Value {
    let by_host = Some(patches(attachment, Reach::Hosts)).filter(|patches| size(patches) <= MAX_BYTES);
    let by_host = by_host.filter(|_| !attachment.public_hosts.is_empty());
    let patches = by_host.unwrap_or_else(|| as_many_as_fit(patches(attachment, Reach::Port)));
    json!({"spec": {
        // of the Gateway's own namespace only, which is where this object is
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": attachment.gateway.name}],
        "configPatches": patches,
    }})
}

/// What the router sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Requests for the public hosts.
    Hosts,
    /// Every request on the port.
    Port,
}

fn size(patches: &[Value]) -> usize {
    patches.iter().map(|patch| patch.to_string().len()).sum()
}

fn as_many_as_fit(patches: Vec<Value>) -> Vec<Value> {
    let sizes = patches.iter().scan(0, |total, patch| {
        *total += size(std::slice::from_ref(patch));
        Some(*total)
    });
    let fit = sizes.take_while(|total| *total <= MAX_BYTES).count();
    patches.into_iter().take(fit).collect()
}

/// The most important first; last is what keeps headers from external servers.
fn patches(attachment: &Attachment, reach: Reach) -> Vec<Value> {
    let mut patches = vec![filter(attachment, reach), body_limit(attachment)];
    if reach == Reach::Hosts {
        patches.extend(attachment.public_hosts.iter().map(|host| public(attachment, host)));
        if attachment.is_broker_first {
            patches.extend(attachment.public_hosts.iter().map(|host| broker(attachment, host)));
        }
        patches.extend(attachment.servers.iter().flat_map(routes));
        patches
            .extend(attachment.servers.iter().filter_map(|server| Some(call(server, server.call.as_ref()?))));
    }
    patches.extend(attachment.servers.iter().flat_map(|server| hosts(server, reach)));
    patches.extend(external_services(attachment));
    patches
}

/// In front of all others, so that policies see the server that a call goes to.
fn filter(attachment: &Attachment, reach: Reach) -> Value {
    let mut filter = ext_proc_filter(&ExtProc {
        name: &attachment.name,
        cluster: &cluster(ROUTER_PORT, &attachment.service_host),
        authority: &attachment.service_host,
        body_mode: BodyMode::Buffered,
    });
    if let (Reach::Hosts, Some(fields)) = (reach, filter.as_object_mut()) {
        fields.insert("disabled".to_owned(), true.into());
    }
    let chain = json!({"filter": {"name": "envoy.filters.network.http_connection_manager"}});
    json!({
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"portNumber": attachment.port, "filterChain": chain}},
        "patch": {"operation": "INSERT_FIRST", "value": filter},
    })
}

/// The most that is buffered of one request; 413 above it.
fn body_limit(attachment: &Attachment) -> Value {
    json!({
        "applyTo": "LISTENER",
        "match": {"context": "GATEWAY", "listener": {"portNumber": attachment.port}},
        "patch": merge(&json!({"per_connection_buffer_limit_bytes": attachment.body_limit})),
    })
}

/// Turns the filter on. Envoy asks for a configuration to do so, and an empty one does.
fn public(attachment: &Attachment, host: &str) -> Value {
    let on = json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
        "config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
            "overrides": {},
        },
    });
    let name = virtual_host(host, attachment.listener_port);
    on_virtual_host(&name, &json!({"typed_per_filter_config": {attachment.name.as_str(): on}}))
}

/// Before whatever else is routed on the public host: a tenant's `HTTPRoute` could else take clients, and their tokens.
fn broker(attachment: &Attachment, host: &str) -> Value {
    let route = json!({
        "name": "mcp-gateway",
        "match": {"path_separated_prefix": "/mcp"},
        "route": {"cluster": cluster(BROKER_PORT, &attachment.service_host), "timeout": "0s"},
    });
    first(&virtual_host(host, attachment.listener_port), &route)
}

/// Before whatever else is routed on the server's host: it would else get calls, and the credential.
fn call(server: &ServerHost, call: &CallRoute) -> Value {
    let mut route = json!({
        "name": format!("mcp-gateway/{}", server.server),
        "match": {"prefix": "/", "dynamic_metadata": [routed_to(&server.server)]},
        "route": {
            "cluster": cluster(call.port, &call.host),
            "timeout": "0s",
            // nothing has been sent then; any other retry could run a tool twice
            "retry_policy": {"retry_on": "connect-failure", "num_retries": 2},
        },
    });
    if let (Some(host), Some(fields)) =
        (&call.rewritten_host, route.pointer_mut("/route").and_then(Value::as_object_mut))
    {
        fields.insert("host_rewrite_literal".to_owned(), host.as_str().into());
    }
    first(&call.virtual_host, &route)
}

fn first(virtual_host: &str, route: &Value) -> Value {
    json!({
        "applyTo": "HTTP_ROUTE",
        "match": {"context": "GATEWAY", "routeConfiguration": {"vhost": {"name": virtual_host}}},
        "patch": {"operation": "INSERT_FIRST", "value": route},
    })
}

/// Istio's name of a service's cluster.
fn cluster(port: u16, host: &str) -> String {
    format!("outbound|{port}||{host}")
}

fn hosts(server: &ServerHost, reach: Reach) -> Vec<Value> {
    let mut fields = serde_json::Map::new();
    if reach == Reach::Hosts {
        // after the routes of the user
        fields.insert("routes".to_owned(), json!([unrouted()]));
    }
    if server.external.is_some() {
        fields.insert("request_headers_to_remove".to_owned(), json!(REMOVED));
    }
    if fields.is_empty() {
        return Vec::new();
    }
    let value = Value::Object(fields);
    server.virtual_hosts.iter().map(|name| on_virtual_host(name, &value)).collect()
}

fn routes(server: &ServerHost) -> impl Iterator<Item = Value> {
    let conditions = json!({"match": {"dynamic_metadata": [routed_to(&server.server)]}});
    server.virtual_hosts.iter().map(move |name| {
        // our own refusal is no route to anywhere
        let vhost = json!({"name": name, "route": {"action": "ROUTE"}});
        json!({
            "applyTo": "HTTP_ROUTE",
            "match": {"context": "GATEWAY", "routeConfiguration": {"vhost": vhost}},
            "patch": merge(&conditions),
        })
    })
}

/// One for each service, though several servers may be behind it.
fn external_services(attachment: &Attachment) -> Vec<Value> {
    let external = attachment.servers.iter().filter_map(|server| server.external.as_ref());
    let mut services: Vec<_> = external.filter_map(|external| external.plain_service.as_ref()).collect();
    services.sort_unstable();
    services.dedup();
    services.into_iter().map(|(host, port)| external_service(host, *port)).collect()
}

fn external_service(host: &str, port: u16) -> Value {
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = json!({
        "@type": format!("type.googleapis.com/{OPTIONS}"),
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [
            {"name": "envoy.filters.http.header_mutation", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [{"remove": REMOVED_LAST}]},
            }},
            {"name": "envoy.filters.http.upstream_codec", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
            }},
        ],
    });
    json!({
        "applyTo": "CLUSTER",
        "match": {"context": "GATEWAY", "cluster": {"service": host, "portNumber": port}},
        "patch": merge(&json!({"typed_extension_protocol_options": {OPTIONS: options}})),
    })
}

fn on_virtual_host(name: &str, value: &Value) -> Value {
    json!({
        "applyTo": "VIRTUAL_HOST",
        "match": {"context": "GATEWAY", "routeConfiguration": {"vhost": {"name": name}}},
        "patch": merge(value),
    })
}

fn merge(value: &Value) -> Value {
    json!({"operation": "MERGE", "value": value})
}
