//! Envoy's configuration for each variant: the gateway's own bootstrap, with what must differ.

use serde_json::{Value, json};

use crate::plan::BodyMode;

/// What is edited, for the page of results.
pub(crate) const DIFFERENCES: &str = "\
Envoy runs on the bootstrap that `mcp-gateway envoy` prints, in every variant without its access log. Without the gateway, \
the public host leads to nginx by the route of the called server, without that route's condition on dynamic metadata; for \
the no-op, the address of the processor is another, and response headers are asked for by `processing_mode`, where the \
gateway asks for them by an override; for Envoy alone, the processor is left out.";

/// What a router must know of a request's head.
const ATTRIBUTES: [&str; 6] = [
    "request.method",
    "request.host",
    "request.path",
    "request.headers['mcp-session-id']",
    "request.headers['mcp-protocol-version']",
    "request.headers['content-type']",
];

/// A bootstrap, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap(Value);

impl Bootstrap {
    /// As `mcp-gateway envoy` printed it.
    pub(crate) fn parse(yaml: &str) -> Self {
        let mut bootstrap = Self(serde_saphyr::from_str(yaml).expect("the bootstrap is YAML"));
        bootstrap.manager().remove("access_log").expect("the bootstrap has an access log");
        bootstrap
    }

    pub(crate) fn listening_on(mut self, address: &str) -> Self {
        let port: u16 = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        *self.at("/static_resources/listeners/0/address/socket_address/port_value") = json!(port);
        self
    }

    /// Without the processor, straight to `server`.
    pub(crate) fn alone(mut self, server: &str) -> Self {
        let filters =
            self.at("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters");
        let filters = filters.as_array_mut().expect("filters");
        filters.retain(|filter| filter["name"] != "mcp_gateway");
        assert_eq!(filters.len(), 1, "the router alone is left");
        self.straight_to(server);
        self
    }

    /// With the processor at `listen`, straight to `server`.
    pub(crate) fn no_op(mut self, listen: &str, mode: BodyMode, server: &str) -> Self {
        let clusters = self.at("/static_resources/clusters").as_array_mut().expect("clusters");
        let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "mcp_gateway_ext_proc");
        let endpoint = cluster
            .expect("a cluster of the processor")
            .pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0");
        endpoint.expect("an endpoint")["endpoint"]["address"] = address(listen);
        if mode == BodyMode::Buffered {
            self.filter()["processing_mode"]["response_header_mode"] = json!("SEND");
        }
        self.straight_to(server);
        self
    }

    /// Headers come beside the body, not before it.
    pub(crate) fn headers_as_attributes(mut self) -> Self {
        self.filter()["processing_mode"]["request_header_mode"] = json!("SKIP");
        self.filter()["request_attributes"] = json!(ATTRIBUTES);
        self
    }

    fn filter(&mut self) -> &mut Value {
        let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        self.at(&format!("{filters}/0/typed_config"))
    }

    fn straight_to(&mut self, server: &str) {
        let hosts = self.manager()["route_config"]["virtual_hosts"].as_array_mut().expect("hosts");
        let of = |name: &str| hosts.iter().position(|host| host["name"] == name).expect("a virtual host");
        let (public, server) = (of("public"), of(server));
        let mut route = hosts[server]["routes"][0].clone();
        let condition = route["match"].as_object_mut().and_then(|matches| matches.remove("dynamic_metadata"));
        assert!(condition.is_some(), "the server's route has a condition");
        hosts[public]["routes"] = json!([route]);
    }

    fn manager(&mut self) -> &mut serde_json::Map<String, Value> {
        let manager = self.at("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
        manager.as_object_mut().expect("a connection manager")
    }

    fn at(&mut self, pointer: &str) -> &mut Value {
        self.0.pointer_mut(pointer).unwrap_or_else(|| panic!("the bootstrap has no {pointer}"))
    }

    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

fn address(listen: &str) -> Value {
    if let Some(path) = listen.strip_prefix("unix:") {
        return json!({"pipe": {"path": path}});
    }
    let (host, port) = listen.rsplit_once(':').expect("HOST:PORT");
    let port: u16 = port.parse().expect("a port");
    json!({"socket_address": {"address": host, "port_value": port}})
}
