//! Clusters: the router, the broker, and one for each enabled server.

use serde_json::{Value, json};
use url::Host;

use super::{Address, Listeners};
use crate::routing::{ServerSpec, Spec};

pub(super) const EXT_PROC: &str = "mcp_gateway_ext_proc";
pub(super) const BROKER: &str = "mcp_gateway_broker";

/// Requests at once, to the gateway and to one server; above Envoy's default of 1024, which streams exhaust.
const MAX_REQUESTS: u32 = 100_000;
/// Connections at once to one cluster, and requests that wait for one.
const MAX_CONNECTIONS: u32 = 10_000;

/// Requests of one cluster that are made again at once. Envoy's own 3 are gone as soon as a connection breaks that many
/// exchanges share.
const MAX_RETRIES: u32 = 1_000;
/// To connect to the gateway, in seconds.
const CONNECT_TIMEOUT: &str = "1s";

/// `envoy.config.cluster.v3.Cluster` for all of them.
pub(super) fn clusters(spec: &Spec, listeners: &Listeners) -> Vec<Value> {
    let own = [ext_proc(&listeners.ext_proc), broker(&listeners.broker)];
    own.into_iter()
        .chain(spec.servers.iter().filter(|server| server.enabled).map(|server| of(server, listeners)))
        .collect()
}

/// The name of a server's cluster.
pub(super) fn name(server: &ServerSpec) -> String {
    format!("mcp_server/{}", server.name)
}

/// The Host that the server expects: that of its URL, with the port unless it is the scheme's own.
pub(super) fn host(server: &ServerSpec) -> String {
    let host = server.url.host_str().unwrap_or_default();
    server.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn ext_proc(address: &Address) -> Value {
    let mut cluster = cluster(EXT_PROC, EXT_PROC, &address.to_connect(), CONNECT_TIMEOUT);
    set(
        &mut cluster,
        "typed_extension_protocol_options",
        http_options(&json!({
            "explicit_http_config": {"http2_protocol_options": {
                // A router that hangs is noticed, though its connection stands.
                "connection_keepalive": {"interval": "30s", "timeout": "5s"},
            }},
        })),
    );
    cluster
}

fn broker(address: &Address) -> Value {
    cluster(BROKER, BROKER, &address.to_connect(), CONNECT_TIMEOUT)
}

fn of(server: &ServerSpec, listeners: &Listeners) -> Value {
    let host = match server.url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    let address = Address::Tcp { host, port: server.url.port_or_known_default().unwrap_or_default() };
    // Dots separate the parts of a metric's name.
    let stats = format!("mcp_server_{}", server.name.as_str().replace(['/', '.'], "_"));
    let connect = format!("{}s", server.timeouts.connect.as_secs_f64());
    let mut cluster = cluster(&name(server), &stats, &address, &connect);
    if server.url.scheme() == "https" {
        set(&mut cluster, "transport_socket", tls(server, &address, listeners));
        set(
            &mut cluster,
            "typed_extension_protocol_options",
            http_options(&json!({
                "auto_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            })),
        );
    }
    cluster
}

/// TLS to a server whose certificate is for the host of its URL, signed by who is trusted for it.
fn tls(server: &ServerSpec, address: &Address, listeners: &Listeners) -> Value {
    let Address::Tcp { host, .. } = address else { return Value::Null };
    let kind = if address.is_name() { "DNS" } else { "IP_ADDRESS" };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": {
                "trusted_ca": {"filename": server.ca_bundle.as_ref().unwrap_or(&listeners.ca_bundle)},
                "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
            },
        },
    });
    if address.is_name() {
        set(&mut context, "sni", json!(host));
    }
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}

fn cluster(name: &str, stats: &str, address: &Address, connect_timeout: &str) -> Value {
    let mut cluster = json!({
        "name": name,
        "alt_stat_name": stats,
        "type": if address.is_name() { "STRICT_DNS" } else { "STATIC" },
        "connect_timeout": connect_timeout,
        "circuit_breakers": {"thresholds": [{
            "max_connections": MAX_CONNECTIONS,
            "max_pending_requests": MAX_CONNECTIONS,
            "max_requests": MAX_REQUESTS,
            "max_retries": MAX_RETRIES,
        }]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address.to_value()}}]}],
        },
    });
    if address.is_name() {
        set(&mut cluster, "dns_lookup_family", json!("V4_PREFERRED"));
        // One name that does not resolve must not keep the others waiting.
        set(&mut cluster, "wait_for_warm_on_init", json!(false));
    }
    if !matches!(address, Address::Unix(_)) {
        set(&mut cluster, "upstream_connection_options", json!({"tcp_keepalive": {"keepalive_time": 60}}));
    }
    cluster
}

fn http_options(options: &Value) -> Value {
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut typed = options.clone();
    set(&mut typed, "@type", json!(format!("type.googleapis.com/{name}")));
    json!({name: typed})
}

fn set(value: &mut Value, field: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(field.to_owned(), to);
    }
}
