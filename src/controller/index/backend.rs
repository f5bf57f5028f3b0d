//! Where a server is: the backend of a route to a URL.

use super::{
    Settings, contest,
    grant::{self, HTTP_ROUTE, SERVICE},
    seen::{Seen, is_exported},
};
use crate::controller::{
    object::{
        Key, Named,
        core::{Service, ServicePort},
        gateway_api::BackendRef,
        istio::{ServiceEntry, ServiceEntryPort},
    },
    status::{Check, Finding, reason},
};

const ISTIO: &str = "networking.istio.io";

/// A server's address.
#[derive(Debug)]
pub(super) struct Backend<'a> {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    /// Namespace that may say where the host is, besides the Gateway's and Istio's own.
    pub(super) namespace: String,
    /// Whether it is not in the cluster.
    pub(super) is_external: bool,
    /// Where Istio knows the external host from.
    pub(super) entry: Option<&'a Named<ServiceEntry>>,
    /// Whether Envoy speaks HTTP/1.1 with the external host, as far as the entry says.
    pub(super) is_plain: bool,
    pub(super) warnings: Vec<Finding>,
}

/// Finds what `reference`, of a route of `namespace`, leads to through a Gateway of the namespace `gateway`.
pub(super) fn resolve<'a>(
    settings: &Settings,
    seen: &Seen<'a>,
    namespace: &str,
    gateway: &str,
    reference: &BackendRef,
) -> Check<Backend<'a>> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Service");
    let name = &reference.name;
    let Some(port) = reference.port else {
        let message = format!("backendRef {name} has no port; add it");
        return Err(Finding::new(reason::UNSUPPORTED_BACKEND, message));
    };
    match (group, kind) {
        ("", "Service") => {
            let key = Key::new(reference.namespace.as_deref().unwrap_or(namespace), name);
            grant::check(seen.cluster, HTTP_ROUTE, namespace, SERVICE, &key)?;
            service(settings, seen, (namespace, gateway), &key, port)
        }
        (ISTIO, "Hostname") => external(seen, (namespace, gateway), name, port),
        (ISTIO, "ServiceEntry") => {
            let key = Key::new(reference.namespace.as_deref().unwrap_or(namespace), name);
            let entry = seen.cluster.service_entries.get(&key);
            let host =
                entry.and_then(|entry| entry.view.spec.hosts.first()).filter(|host| !host.starts_with('*'));
            let Some(host) = host else {
                let message = format!(
                    "ServiceEntry {key} does not exist or names no single host; create it, or correct the \
                     backendRef"
                );
                return Err(Finding::new(reason::BACKEND_NOT_FOUND, message));
            };
            external(seen, (namespace, gateway), host, port)
        }
        _ => {
            let message = format!(
                "backendRef {name} is of kind {kind} in group {group:?}; use a Service, or kind Hostname \
                 of group {ISTIO}"
            );
            Err(Finding::new(reason::UNSUPPORTED_BACKEND, message))
        }
    }
}

fn service<'a>(
    settings: &Settings,
    seen: &Seen<'a>,
    namespaces: (&str, &str),
    key: &Key,
    number: u16,
) -> Check<Backend<'a>> {
    let found = seen.cluster.services.get(key).ok_or_else(|| {
        let message =
            format!("Service {key} does not exist; create it, or correct the backendRef of the HTTPRoute");
        Finding::new(reason::BACKEND_NOT_FOUND, message)
    })?;
    let Service { spec } = &found.view;
    let port = spec.ports.iter().find(|port| port.port == number);
    let is_tls = number == 443 || port.is_some_and(speaks_tls);
    if spec.kind == "ExternalName" {
        let host = spec.external_name.trim_end_matches('.');
        return Ok(match external(seen, namespaces, host, number) {
            Ok(backend) => Backend { is_tls: is_tls || backend.is_tls, ..backend },
            // other implementations than Istio's need no ServiceEntry
            Err(finding) => Backend {
                host: host.to_owned(),
                port: number,
                is_tls,
                namespace: key.namespace.clone(),
                is_external: true,
                entry: None,
                is_plain: false,
                warnings: vec![finding],
            },
        });
    }
    if port.is_none() {
        let message = format!("Service {key} has no port {number}; correct the backendRef of the HTTPRoute");
        return Err(Finding::new(reason::BACKEND_NOT_FOUND, message));
    }
    let host = format!("{}.{}.svc.{}", key.name, key.namespace, settings.cluster_domain);
    Ok(Backend {
        host,
        port: number,
        is_tls,
        namespace: key.namespace.clone(),
        is_external: false,
        entry: None,
        is_plain: false,
        warnings: Vec::new(),
    })
}

fn speaks_tls(port: &ServicePort) -> bool {
    let is_https = |text: &str| text.eq_ignore_ascii_case("https");
    match &port.app_protocol {
        Some(protocol) => is_https(protocol) || is_https(protocol.trim_start_matches("kubernetes.io/")),
        None => port.name.split('-').next().is_some_and(is_https),
    }
}

/// A host that a `ServiceEntry` makes known, both to the route and to the Gateway's proxies.
fn external<'a>(
    seen: &Seen<'a>,
    (namespace, gateway): (&str, &str),
    host: &str,
    number: u16,
) -> Check<Backend<'a>> {
    let missing = |message| Err(Finding::new(reason::BACKEND_NOT_FOUND, message));
    let entries = seen.service_entries.get(host);
    let visible = |entry: &Named<ServiceEntry>, to: &str| {
        is_exported(&entry.view.spec.export_to, entry.metadata.namespace.as_deref().unwrap_or_default(), to)
    };
    let Some(first) = entries.first() else {
        let message = format!(
            "no ServiceEntry makes {host} known to Istio; create one in namespace {namespace}, with port \
             {number}"
        );
        return missing(message);
    };
    let seen_by_gateway = contest::entries(seen, host, gateway);
    let Some(entry) = seen_by_gateway.into_iter().find(|entry| visible(entry, namespace)) else {
        let message = format!(
            "ServiceEntry {} is not exported to the namespaces {namespace} and {gateway}, of the HTTPRoute \
             and of the Gateway; correct its exportTo",
            first.key()
        );
        return missing(message);
    };
    let Some(port) = entry.view.spec.ports.iter().find(|port| port.number == number) else {
        let message = format!(
            "ServiceEntry {} has no port {number}; add it, or correct the backendRef of the HTTPRoute",
            entry.key()
        );
        return missing(message);
    };
    Ok(Backend {
        host: host.to_ascii_lowercase(),
        port: number,
        is_tls: is_tls(port),
        namespace: namespace.to_owned(),
        is_external: true,
        entry: Some(entry),
        is_plain: !speaks_http2(port),
        warnings: Vec::new(),
    })
}

fn is_tls(port: &ServiceEntryPort) -> bool {
    port.number == 443 || matches!(port.protocol.to_ascii_uppercase().as_str(), "HTTPS" | "TLS")
}

fn speaks_http2(port: &ServiceEntryPort) -> bool {
    matches!(port.protocol.to_ascii_uppercase().as_str(), "HTTP2" | "GRPC" | "GRPC-WEB")
}
