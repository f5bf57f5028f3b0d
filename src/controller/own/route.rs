//! The `HTTPRoute` that brings clients of the public host to the broker.

use serde_json::{Value, json};

use super::BROKER_PORT;
use crate::controller::object::Key;

/// What the public host's route is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRoute {
    pub gateway: Key,
    /// Name of the Gateway's listener.
    pub section_name: String,
    /// Host that clients name, without port.
    pub public_host: String,
    /// Name of the data plane's Service, in the route's own namespace.
    pub service: String,
}

/// Fields of the `HTTPRoute` beside `metadata`: with everything that the API server would fill in, so that what is there
/// can be compared with it.
pub fn http_route(route: &PublicRoute) -> Value {
    json!({"spec": {
        "parentRefs": [{
            "group": "gateway.networking.k8s.io",
            "kind": "Gateway",
            "namespace": route.gateway.namespace,
            "name": route.gateway.name,
            "sectionName": route.section_name,
        }],
        "hostnames": [route.public_host],
        "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/mcp"}}],
            "backendRefs": [
                {"group": "", "kind": "Service", "name": route.service, "port": BROKER_PORT, "weight": 1},
            ],
        }],
    }})
}
