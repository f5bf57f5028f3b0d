//! Statuses that are not what they should be.

use serde::Serialize;

use super::{
    attach,
    cluster::Cluster,
    extension::{self, Extension},
    place::Place,
    registration::Registration,
    seen::Seen,
    virtual_server::VirtualServer,
};
use crate::{
    controller::{
        Write,
        crd::{HttpRouteManagement, State},
        object::{Key, Kind},
        own,
        status::{self, Attaching, Check, Finding, Known, Serving, reason},
    },
    report::fingerprint,
};

/// Of all extensions, registrations and virtual servers.
pub(super) fn all(
    seen: &Seen<'_>,
    extensions: &[Extension<'_>],
    registrations: &[Registration<'_>],
    virtual_servers: &[VirtualServer<'_>],
    now: &str,
) -> Vec<Write> {
    let extension = |it: &Extension<'_>| {
        let old = it.resource.status.as_ref();
        let known = known(old.map(|old| old.conditions.as_slice()), it.resource.metadata.generation, now);
        changed(Kind::Extension, it.key, old, status::extension(&of_extension(seen, it), known))
    };
    let registration = |it: &Registration<'_>| {
        let old = it.resource.status.as_ref();
        let known = known(old.map(|old| old.conditions.as_slice()), it.resource.metadata.generation, now);
        let name = it.key.to_string();
        let found = of_registration(seen.cluster, extensions, it, &name);
        changed(Kind::Registration, it.key, old, status::registration(&found, known))
    };
    let virtual_server = |it: &VirtualServer<'_>| {
        let old = it.resource.status.as_ref();
        let known = known(old.map(|old| old.conditions.as_slice()), it.resource.metadata.generation, now);
        let name = it.key.to_string();
        let found = of_virtual_server(seen.cluster, extensions, it, &name);
        changed(Kind::VirtualServer, it.key, old, status::virtual_server(&found, known))
    };
    let of_extensions = extensions.iter().filter_map(extension);
    let of_registrations = registrations.iter().filter_map(registration);
    of_extensions.chain(of_registrations).chain(virtual_servers.iter().filter_map(virtual_server)).collect()
}

fn known<'a>(
    old: Option<&'a [crate::controller::crd::Condition]>,
    generation: Option<i64>,
    now: &'a str,
) -> Known<'a> {
    Known { conditions: old.unwrap_or_default(), generation: generation.unwrap_or_default(), now }
}

fn changed<S: PartialEq + Serialize>(kind: Kind, key: &Key, old: Option<&S>, new: S) -> Option<Write> {
    if old == Some(&new) {
        return None;
    }
    Some(Write::Status { kind, key: key.clone(), status: serde_json::to_value(new).ok()? })
}

fn of_extension<'a>(seen: &Seen<'a>, it: &'a Extension<'_>) -> status::Extension<'a> {
    let attaching = it.place.as_ref().map(|place| Attaching {
        public_host: place.public_host.to_string(),
        written: written(seen, it, place),
        serving: serving(seen.cluster, it.key, String::new()),
    });
    // what is attached already keeps working; the finding says what would not
    let attached = seen.cluster.envoy_filters.contains_key(&it.filter);
    let warning = it.attachable.as_ref().err().filter(|_| attached).cloned();
    status::Extension {
        accepted: it.accepted.clone(),
        resolved: it.resolved.clone(),
        warnings: it.warnings.iter().cloned().chain(warning).collect(),
        attaching,
    }
}

/// Refuses what is missing of the objects that attach the data plane. Whether they say the right thing is seen by
/// their effect: the data plane tries.
fn written(seen: &Seen<'_>, it: &Extension<'_>, place: &Place<'_>) -> Check {
    it.attachable.clone()?;
    let pending = |message| Err(Finding::new(reason::PENDING, message));
    let config = extension::config_key(it.key);
    let route_key = Key::new(&*it.key.namespace, own::ROUTE);
    let wanted = [(Kind::OwnSecret, &config), (Kind::EnvoyFilter, &it.filter), (Kind::HttpRoute, &route_key)];
    for (kind, key) in wanted {
        if let Some(why) = seen.cluster.unwritten.get(&(kind, key.clone())) {
            let message =
                format!("{kind} {key} cannot be written: {why}; repair that, the controller tries again");
            return Err(Finding::new(reason::NOT_WRITTEN, message));
        }
    }
    if !seen.cluster.own_secrets.contains_key(&config) {
        return pending(format!("Secret {config} is not there yet; the controller writes it"));
    }
    if !seen.cluster.envoy_filters.contains_key(&it.filter) {
        return pending(format!("EnvoyFilter {} is not there yet; the controller writes it", it.filter));
    }
    if it.resource.spec.http_route_management == HttpRouteManagement::Disabled {
        return Ok(());
    }
    let key = &route_key;
    let Some(route) = seen.cluster.routes.get(key) else {
        return pending(format!("HTTPRoute {key} is not there yet; the controller writes it"));
    };
    let is_attached = seen.attachments.of_route(key).iter().any(|attached| {
        attached.gateway == place.gateway
            && attached.listeners.iter().any(|it| it.name == place.listener.name)
    });
    if is_attached { Ok(()) } else { Err(attach::why_not(key, &route.view)) }
}

fn of_registration<'a>(
    cluster: &'a Cluster,
    extensions: &'a [Extension<'_>],
    it: &Registration<'_>,
    name: &'a str,
) -> status::Registration<'a> {
    let serving = it.servers.iter().filter_map(|placed| {
        let extension = extensions.get(placed.extension)?;
        Some(serving(cluster, extension.key, fingerprint(&placed.server)))
    });
    status::Registration {
        name,
        enabled: it.resource.spec.state == State::Enabled,
        accepted: it.accepted.clone(),
        resolved: it.resolved.clone(),
        safe: it.safe.clone(),
        warnings: it.warnings.clone(),
        serving: serving.collect(),
    }
}

fn of_virtual_server<'a>(
    cluster: &'a Cluster,
    extensions: &'a [Extension<'_>],
    it: &VirtualServer<'_>,
    name: &'a str,
) -> status::VirtualServer<'a> {
    let active = extensions.iter().filter(|extension| extension.place.is_some());
    status::VirtualServer {
        name,
        accepted: it.accepted.clone(),
        warnings: Vec::new(),
        serving: active.map(|extension| serving(cluster, extension.key, String::new())).collect(),
    }
}

fn serving<'a>(cluster: &'a Cluster, extension: &'a Key, fingerprint: String) -> Serving<'a> {
    Serving { extension, fingerprint, instances: cluster.instances(&extension.namespace) }
}
