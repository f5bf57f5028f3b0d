//! Extensions: what each refers to, where it stands, and which of two has a place.

use std::collections::HashMap;

use super::{
    Settings, cluster,
    grant::{self, EXTENSION, GATEWAY},
    place::{self, Place},
    seen::Seen,
};
use crate::{
    controller::{
        crd::{GatewayRef, MCPGatewayExtension},
        object::{Key, Kind, Named, gateway_api::Gateway},
        own,
        status::{Check, Finding, reason},
    },
    routing::Origin,
};

/// The data plane's port for the router.
const GRPC_PORT: u16 = 50051;
/// Longest name of an object, in bytes.
const MAX_NAME: usize = 253;

/// An extension, and what became of it.
#[derive(Debug)]
pub(super) struct Extension<'a> {
    pub(super) key: &'a Key,
    pub(super) resource: &'a MCPGatewayExtension,
    pub(super) accepted: Check,
    pub(super) resolved: Check,
    pub(super) warnings: Vec<Finding>,
    /// Absent where it is refused; nothing is served then.
    pub(super) place: Option<Place<'a>>,
    /// Refuses where the router must not be attached.
    pub(super) attachable: Check,
    /// In the Gateway's namespace.
    pub(super) filter: Key,
}

/// All of them, the oldest first: it has the namespace, and the Gateway's port.
pub(super) fn all<'a>(settings: &Settings, seen: &Seen<'a>) -> Vec<Extension<'a>> {
    let mut namespaces: HashMap<&str, &Key> = HashMap::new();
    let mut ports: HashMap<(Key, u16), &Key> = HashMap::new();
    let mut filters: HashMap<Key, &Key> = HashMap::new();
    cluster::by_age(&seen.cluster.extensions, |extension| &extension.metadata)
        .into_iter()
        .map(|(key, resource)| {
            let mut extension = resolve(settings, seen, key, resource);
            let first = *namespaces.entry(&key.namespace).or_insert(key);
            if first != key {
                let message = format!(
                    "namespace {} has the older MCPGatewayExtension {first}; delete one of the two",
                    key.namespace
                );
                extension.refuse(Finding::new(reason::EXTENSION_CONFLICT, message));
            }
            let Some(place) = &extension.place else { return extension };
            let port = (place.gateway.clone(), place.listener.port);
            let (first, filter) =
                (*ports.entry(port).or_insert(key), *filters.entry(extension.filter.clone()).or_insert(key));
            if first != key {
                let message = format!(
                    "port {} of Gateway {} has the older MCPGatewayExtension {first}; choose a listener \
                     with another port",
                    place.listener.port, place.gateway
                );
                extension.refuse(Finding::new(reason::EXTENSION_CONFLICT, message));
            } else if filter != key || extension.filter.name.len() > MAX_NAME {
                let message = format!(
                    "the name of EnvoyFilter {} is taken or too long; choose another name for the extension",
                    extension.filter
                );
                extension.refuse(Finding::new(reason::EXTENSION_CONFLICT, message));
            }
            extension
        })
        .collect()
}

impl Extension<'_> {
    fn refuse(&mut self, finding: Finding) {
        self.place = None;
        self.accepted = Err(finding);
    }
}

fn resolve<'a>(
    settings: &Settings,
    seen: &Seen<'a>,
    key: &'a Key,
    resource: &'a MCPGatewayExtension,
) -> Extension<'a> {
    let target = &resource.spec.target_ref;
    let gateway = Key::new(target.namespace.as_deref().unwrap_or(&key.namespace), &target.name);
    let filter = Key::new(&*gateway.namespace, format!("mcp-gateway-{}-{}", key.namespace, key.name));
    let mut extension = Extension {
        key,
        resource,
        accepted: Ok(()),
        resolved: Ok(()),
        warnings: origins(resource),
        place: None,
        attachable: Ok(()),
        filter,
    };
    let view = grant::check(seen.cluster, EXTENSION, &key.namespace, GATEWAY, &gateway)
        .and_then(|()| found(seen, &gateway, target));
    let view = match view {
        Ok(view) => view,
        Err(finding) => {
            extension.resolved = Err(finding);
            extension.accepted =
                Err(Finding::new(reason::NOT_RESOLVED, "not judged; see condition ResolvedRefs"));
            return extension;
        }
    };
    match place::find(settings, seen.cluster, key, &resource.spec, (&gateway, view)) {
        Ok(place) => {
            let foreign =
                seen.attachments.foreign_claim(&gateway, place.public_host.as_str(), &key.namespace);
            extension.warnings.extend(foreign.map(|route| {
                let message = format!(
                    "HTTPRoute {route} answers for the public host {} too; requests can go there instead",
                    place.public_host
                );
                Finding::new(reason::HOST_SHARED, message)
            }));
            extension.place = Some(place);
        }
        Err(finding) => extension.accepted = Err(finding),
    }
    if let Err(finding) = service(settings, seen, key) {
        if finding.reason == reason::SERVICE_NOT_FOUND {
            extension.resolved = Err(finding.clone());
        }
        extension.attachable = Err(finding);
    }
    if seen.cluster.absent.contains(&Kind::EnvoyFilter) {
        let message = "the cluster has no EnvoyFilter (networking.istio.io), which attaches the router to \
                       the Gateway; install Istio";
        extension.attachable = Err(Finding::new(reason::ISTIO_MISSING, message));
    }
    extension
}

fn found<'a>(seen: &Seen<'a>, gateway: &Key, target: &GatewayRef) -> Check<&'a Named<Gateway>> {
    if (target.group.as_str(), target.kind.as_str()) != GATEWAY {
        let message = "spec.targetRef must name a Gateway of gateway.networking.k8s.io";
        return Err(Finding::new(reason::GATEWAY_NOT_FOUND, message));
    }
    seen.cluster.gateways.get(gateway).ok_or_else(|| {
        let message = format!("Gateway {gateway} does not exist; create it, or correct spec.targetRef");
        Finding::new(reason::GATEWAY_NOT_FOUND, message)
    })
}

/// Envoy speaks gRPC to the port only where its name or its protocol says so; otherwise every request is a 500.
fn service(settings: &Settings, seen: &Seen<'_>, key: &Key) -> Check {
    let service = Key::new(&*key.namespace, &*settings.service);
    let Some(found) = seen.cluster.services.get(&service) else {
        let message = format!(
            "Service {service} does not exist; install the data plane in namespace {}",
            key.namespace
        );
        return Err(Finding::new(reason::SERVICE_NOT_FOUND, message));
    };
    let port = found.view.spec.ports.iter().find(|port| port.port == GRPC_PORT);
    let speaks = |name: &str| {
        ["grpc", "http2"]
            .iter()
            .any(|it| name.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
    };
    let is_grpc = port.is_some_and(|port| match port.app_protocol.as_deref() {
        Some(protocol) => {
            matches!(protocol.to_ascii_lowercase().as_str(), "kubernetes.io/h2c" | "grpc" | "http2")
        }
        None => speaks(&port.name.to_ascii_lowercase()),
    });
    if is_grpc {
        return Ok(());
    }
    let message = format!(
        "Service {service} has no port {GRPC_PORT} with name grpc or appProtocol kubernetes.io/h2c, so \
         that Envoy would not speak HTTP/2 to the router; add it"
    );
    Err(Finding::new(reason::GRPC_PORT_NAME, message))
}

fn origins(resource: &MCPGatewayExtension) -> Vec<Finding> {
    let wrong = resource.spec.allowed_origins.iter().filter_map(|origin| Origin::parse(origin).err());
    wrong
        .map(|error| {
            Finding::new(reason::ORIGIN_INVALID, format!("spec.allowedOrigins: {error}; it is left out"))
        })
        .collect()
}

/// Name of the data plane's configuration: one for each namespace.
pub(super) fn config_key(extension: &Key) -> Key {
    Key::new(&*extension.namespace, own::CONFIG_SECRET)
}
