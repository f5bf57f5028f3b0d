//! The objects that the controller owns: what is not as it should be, and what should not be.

use std::collections::HashSet;

use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::{
    Settings, cluster::Cluster, extension::Extension, gateway_spec, place::Place, registration::Registration,
    same, seen::Seen, virtual_server::VirtualServer,
};
use crate::{
    controller::{
        Body, Write,
        crd::{GROUP, HttpRouteManagement, VERSION},
        object::{Key, Kind},
        own::{self, Attachment, PublicRoute, ServerHost},
    },
    source::MAX_SHARDS,
};

/// Everything but statuses.
pub(super) fn all(
    settings: &Settings,
    seen: &Seen<'_>,
    extensions: &[Extension<'_>],
    registrations: &[Registration<'_>],
    virtual_servers: &[VirtualServer<'_>],
) -> Vec<Write> {
    let cluster = seen.cluster;
    let mut wanted = Vec::new();
    for (position, extension) in extensions.iter().enumerate() {
        let Some(place) = &extension.place else { continue };
        let owners = vec![owner(&extension.resource.metadata)];
        let namespace = &extension.key.namespace;
        let spec = gateway_spec::spec(position, extension, place, registrations, virtual_servers);
        wanted.push(Write::SessionKey { key: Key::new(namespace, own::SESSION_KEY_SECRET) });
        wanted.push(own::report_config_map(namespace, owners.clone()));
        // what claims take and virtual servers may take together always fits
        wanted.extend(own::config_secrets(namespace, &spec, &owners).unwrap_or_default());
        if extension.resource.spec.http_route_management == HttpRouteManagement::Enabled {
            wanted.push(public_route(settings, namespace, place, owners));
        }
        // where it must not be attached anew, what is attached stays: taking the router away would open the servers
        if extension.attachable.is_ok() || cluster.envoy_filters.contains_key(&extension.filter) {
            let attachment = attachment(settings, seen, position, extension, place, registrations);
            wanted.push(filter(extension, &attachment));
        }
    }
    let (mut writes, last) = superfluous(cluster, extensions, &wanted);
    wanted.retain(|write| !same::is_so(cluster, write));
    writes.extend(wanted);
    writes.extend(last);
    writes.extend(silent(cluster));
    writes
}

fn public_route(settings: &Settings, namespace: &str, place: &Place<'_>, owners: Vec<Value>) -> Write {
    let route = PublicRoute {
        gateway: place.gateway.clone(),
        section_name: place.listener.name.clone(),
        public_host: place.public_host.to_string(),
        service: settings.service.clone(),
    };
    let body = Body::Object { fields: own::http_route(&route), owners };
    Write::Apply { kind: Kind::HttpRoute, key: Key::new(namespace, own::ROUTE), body }
}

/// Without owner: the Gateway's namespace may be another than the extension's.
fn filter(extension: &Extension<'_>, attachment: &Attachment) -> Write {
    let body = Body::Object { fields: own::envoy_filter(attachment), owners: Vec::new() };
    Write::Apply { kind: Kind::EnvoyFilter, key: extension.filter.clone(), body }
}

pub(super) fn attachment(
    settings: &Settings,
    seen: &Seen<'_>,
    position: usize,
    extension: &Extension<'_>,
    place: &Place<'_>,
    registrations: &[Registration<'_>],
) -> Attachment {
    let servers = registrations.iter().flat_map(|registration| &registration.servers);
    let servers = servers.filter(|it| it.extension == position).map(|it| ServerHost {
        server: it.server.name.to_string(),
        virtual_hosts: it.answers.iter().map(|(host, port)| own::virtual_host(host, *port)).collect(),
        external: it.external.clone(),
        call: it.call.clone(),
    });
    let host = place.public_host.to_string();
    // a route of somebody else's may bring clients by a wildcard, which Envoy then knows the host by
    let is_managed = extension.resource.spec.http_route_management == HttpRouteManagement::Enabled;
    let is_known = is_managed || seen.attachments.is_claimed(&place.gateway, &host);
    let Settings { service, cluster_domain } = settings;
    Attachment {
        gateway: place.gateway.clone(),
        port: place.bound,
        listener_port: place.listener.port,
        service_host: format!("{service}.{}.svc.{cluster_domain}", extension.key.namespace),
        name: extension.filter.name.clone(),
        body_limit: extension.resource.spec.max_body_bytes,
        is_broker_first: is_managed,
        public_hosts: is_known.then_some(host).into_iter().collect(),
        servers: servers.collect(),
    }
}

fn owner(metadata: &ObjectMeta) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "MCPGatewayExtension",
        "name": metadata.name.clone().unwrap_or_default(),
        "uid": metadata.uid.clone().unwrap_or_default(),
    })
}

/// What is there of ours and not wanted: first what leads requests somewhere; last, after all that is written, what
/// others read. Reports stay as long as their extension exists: what is refused now may be accepted again. A session
/// key stays for good, since a data plane that runs goes on with it: another one beside it must have the same.
fn superfluous(
    cluster: &Cluster,
    extensions: &[Extension<'_>],
    wanted: &[Write],
) -> (Vec<Write>, Vec<Write>) {
    let wanted: HashSet<(Kind, &Key)> = wanted
        .iter()
        .filter_map(|write| match write {
            Write::Apply { kind, key, .. } => Some((*kind, key)),
            Write::SessionKey { .. }
            | Write::Status { .. }
            | Write::Delete { .. }
            | Write::ForgetReport { .. } => None,
        })
        .collect();
    let is_wanted = |kind, key| wanted.contains(&(kind, key));
    let namespaces: HashSet<&str> =
        extensions.iter().map(|extension| extension.key.namespace.as_str()).collect();
    let is_orphan = |key: &Key| !namespaces.contains(key.namespace.as_str());
    let shards: HashSet<String> = own::shard_names(MAX_SHARDS).into_iter().collect();
    let secrets = cluster
        .own_secrets
        .keys()
        .filter(|key| shards.contains(&key.name) && !is_wanted(Kind::OwnSecret, *key));
    let reports = cluster.reports.keys().filter(|key| key.name == own::REPORT && is_orphan(key));
    let routes = cluster.routes.iter().filter(|(key, route)| {
        !route.view.whole.is_null() && key.name == own::ROUTE && !is_wanted(Kind::HttpRoute, *key)
    });
    let filters = cluster.envoy_filters.keys().filter(|key| !is_wanted(Kind::EnvoyFilter, *key));
    let of = |kind| move |key: &Key| Write::Delete { kind, key: key.clone() };
    let first = routes.map(|(key, _)| key).map(of(Kind::HttpRoute)).chain(filters.map(of(Kind::EnvoyFilter)));
    let last = secrets.map(of(Kind::OwnSecret)).chain(reports.map(of(Kind::Report)));
    (first.collect(), last.collect())
}

fn silent(cluster: &Cluster) -> impl Iterator<Item = Write> {
    cluster.reports.iter().flat_map(|(key, instances)| {
        let silent = instances.iter().filter(|(_, instance)| instance.is_silent);
        silent.map(|(name, _)| Write::ForgetReport { key: key.clone(), instance: name.clone() })
    })
}
