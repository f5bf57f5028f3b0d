//! What an `EnvoyFilter` is made of.

use crate::controller::object::Key;

/// The router in front of one port of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub gateway: Key,
    /// The port that Envoy binds for the listener: the target port of the Gateway's Service.
    pub port: u16,
    /// The port that the Gateway's listener names; most often the same.
    pub listener_port: u16,
    /// Host of the data plane's Service: `NAME.NAMESPACE.svc.cluster.local`.
    pub service_host: String,
    /// Name of the filter, unlike any other on the Gateway.
    pub name: String,
    /// Largest request body, in bytes.
    pub body_limit: u32,
    /// Hosts that clients name, as the route that brings them to the broker writes them. Other hosts on the port
    /// belong to other applications, which never meet the router; with none here, the router sees every host.
    pub public_hosts: Vec<String>,
    /// Whether they lead to the broker before any other route, whoever else has an `HTTPRoute` for them.
    pub is_broker_first: bool,
    pub servers: Vec<ServerHost>,
}

/// Envoy's virtual host of a hostname, as its `HTTPRoute` writes it, on a listener with that port.
pub fn virtual_host(hostname: &str, listener_port: u16) -> String {
    format!("{hostname}:{listener_port}")
}

/// A server on the Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost {
    /// `NAMESPACE/NAME`, as in the `Spec`.
    pub server: String,
    /// Envoy's virtual hosts of it, on every port of the Gateway: [`virtual_host`].
    pub virtual_hosts: Vec<String>,
    /// Set where the server is not of the cluster.
    pub external: Option<External>,
    /// Set where calls need nothing of the `HTTPRoute` but its backend.
    pub call: Option<CallRoute>,
}

/// The route of calls: first on its virtual host, so that nobody's route for the same host comes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRoute {
    /// On the listener that clients use.
    pub virtual_host: String,
    /// Host and port of the backend, as Istio names its cluster.
    pub host: String,
    pub port: u16,
    /// What the server is to see as Host; otherwise the name of the virtual host.
    pub rewritten_host: Option<String>,
}

/// A server that must not learn of the cluster's inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// Host and port of its service, if the proxy speaks plain HTTP/1.1 with it: no `HTTP2` or `GRPC` port, no connection
    /// pool in a `DestinationRule`. Envoy's options for it are then replaced, which cannot be added to.
    pub plain_service: Option<(String, u16)>,
}
