//! Where an extension stands: the listener, the host that clients name, and where the data plane reaches the Gateway.

use serde_json::Value;
use url::Url;

use super::{Settings, cluster::Cluster, listener};
use crate::{
    controller::{
        crd::MCPGatewayExtensionSpec,
        object::{
            Key, Named,
            gateway_api::{Gateway, Listener},
        },
        status::{Check, Finding, reason},
    },
    routing::Authority,
};

/// A listener that an extension has.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// Who stands there.
    pub(super) extension: &'a Key,
    pub(super) gateway: Key,
    pub(super) listener: &'a Listener,
    pub(super) public_host: Authority,
    /// With its scheme.
    pub(super) private_host: String,
    /// The port that Envoy binds.
    pub(super) bound: u16,
}

/// Finds the place of `extension` on its Gateway.
pub(super) fn find<'a>(
    settings: &Settings,
    cluster: &'a Cluster,
    extension: &'a Key,
    spec: &MCPGatewayExtensionSpec,
    (gateway, view): (&Key, &'a Named<Gateway>),
) -> Check<Place<'a>> {
    let namespace = &extension.namespace;
    let written = spec.public_host.as_deref().map(host).transpose()?;
    let listener = listener(&view.view.spec.listeners, gateway, spec, written.as_ref())?;
    let name = format!("listener {} of Gateway {gateway}", listener.name);
    if !listener::is_http(listener) {
        let message = format!(
            "{name} has protocol {}; name one with HTTP or HTTPS in spec.targetRef.sectionName",
            listener.protocol
        );
        return Err(Finding::new(reason::UNSUPPORTED_PROTOCOL, message));
    }
    if !listener::allows(cluster, gateway, listener, namespace) {
        let message = format!(
            "{name} takes no routes of namespace {namespace}; set its allowedRoutes.namespaces.from to \
             All, or to a Selector that selects the namespace"
        );
        return Err(Finding::new(reason::NOT_ALLOWED_BY_LISTENERS, message));
    }
    let public_host = match written {
        Some(host) => host,
        None => default_host(listener, &name)?,
    };
    if !listener::takes(listener, public_host.as_str()) {
        let message = format!(
            "{name} does not take {public_host}: its hostname is {}; change spec.publicHost or the listener",
            listener::hostname(listener).unwrap_or_default()
        );
        return Err(Finding::new(reason::PUBLIC_HOST_INVALID, message));
    }
    let private_host = private_host(settings, spec, gateway, view, listener)?;
    let bound = bound_port(cluster, gateway, view, listener);
    Ok(Place { extension, gateway: gateway.clone(), listener, public_host, private_host, bound })
}

/// The host that a user wrote; a port is taken off.
fn host(written: &str) -> Check<Authority> {
    let name = match written.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) | None => written,
    };
    Authority::parse(name).map_err(|error| {
        Finding::new(
            reason::PUBLIC_HOST_INVALID,
            format!("spec.publicHost {error}; write for example mcp.example.com"),
        )
    })
}

fn default_host(listener: &Listener, name: &str) -> Check<Authority> {
    let hostname = listener::hostname(listener).map(|hostname| match hostname.strip_prefix("*.") {
        Some(domain) => format!("mcp.{domain}"),
        None => hostname.to_owned(),
    });
    hostname.and_then(|host| Authority::parse(&host).ok()).ok_or_else(|| {
        let message = format!("{name} has no hostname; write spec.publicHost, the host that clients name");
        Finding::new(reason::PUBLIC_HOST_INVALID, message)
    })
}

/// The listener that is named, else the one whose hostname fits the public host best.
fn listener<'a>(
    listeners: &'a [Listener],
    gateway: &Key,
    spec: &MCPGatewayExtensionSpec,
    host: Option<&Authority>,
) -> Check<&'a Listener> {
    let names = |listeners: &[&Listener]| {
        listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if let Some(section) = &spec.target_ref.section_name {
        let found = listeners.iter().find(|listener| listener.name == *section);
        return found.ok_or_else(|| {
            let message = format!(
                "Gateway {gateway} has no listener {section}, but: {}; correct spec.targetRef.sectionName",
                names(&listeners.iter().collect::<Vec<_>>())
            );
            Finding::new(reason::LISTENER_NOT_FOUND, message)
        });
    }
    let fits = |listener: &&Listener| {
        listener::is_http(listener) && host.is_none_or(|host| listener::takes(listener, host.as_str()))
    };
    // exact before wildcard, the longer wildcard first, and last what takes every host
    let width = |listener: &Listener| match listener::hostname(listener) {
        Some(hostname) if hostname.starts_with('*') => (1, usize::MAX - hostname.len()),
        Some(_) => (0, 0),
        None => (2, 0),
    };
    let mut candidates: Vec<&Listener> = listeners.iter().filter(fits).collect();
    let narrowest = candidates.iter().map(|listener| width(listener)).min();
    candidates.retain(|listener| Some(width(listener)) == narrowest);
    match candidates.as_slice() {
        [listener] => Ok(listener),
        [] => {
            let wanted = host.map_or("any host over HTTP".to_owned(), ToString::to_string);
            let message = format!(
                "Gateway {gateway} has no listener that takes {wanted}; add one, or correct spec.publicHost"
            );
            Err(Finding::new(reason::LISTENER_NOT_FOUND, message))
        }
        several => {
            let message = format!(
                "Gateway {gateway} has several listeners for it: {}; name one in spec.targetRef.sectionName",
                names(several)
            );
            Err(Finding::new(reason::LISTENER_AMBIGUOUS, message))
        }
    }
}

fn private_host(
    settings: &Settings,
    spec: &MCPGatewayExtensionSpec,
    gateway: &Key,
    view: &Named<Gateway>,
    listener: &Listener,
) -> Check<String> {
    let Some(written) = &spec.private_host else {
        let scheme = if listener.protocol == "HTTPS" { "https" } else { "http" };
        let Key { name, namespace } = gateway;
        let class = &view.view.spec.gateway_class_name;
        let domain = &settings.cluster_domain;
        return Ok(format!("{scheme}://{name}-{class}.{namespace}.svc.{domain}:{}", listener.port));
    };
    let text = if written.contains("://") { written.clone() } else { format!("http://{written}") };
    let is_address = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && !text.ends_with('/')
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.host_str().is_some_and(|host| !host.is_empty())
    });
    if is_address {
        return Ok(text);
    }
    let message =
        "spec.privateHost must be `host:port`, with `https://` before it where the listener is HTTPS";
    Err(Finding::new(reason::PRIVATE_HOST_INVALID, message))
}

/// The listener's own port, unless the Gateway's Service sends it to another.
fn bound_port(cluster: &Cluster, gateway: &Key, view: &Named<Gateway>, listener: &Listener) -> u16 {
    let name = format!("{}-{}", gateway.name, view.view.spec.gateway_class_name);
    let ports =
        cluster.services.get(&Key::new(&*gateway.namespace, name)).map(|service| &service.view.spec.ports);
    let port = ports.into_iter().flatten().find(|port| port.port == listener.port);
    let target = port.map(|port| &port.target_port).and_then(Value::as_u64);
    target.and_then(|target| u16::try_from(target).ok()).filter(|target| *target > 0).unwrap_or(listener.port)
}
