//! All objects by kind and key, and which reports count.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::ObjectMeta;

use crate::{
    controller::{
        Unwritten,
        crd::{MCPGatewayExtension, MCPServerRegistration, MCPVirtualServer},
        object::{
            Key, Kind, Named, Object,
            core::{Namespace, Secret, Service},
            gateway_api::{Gateway, HttpRoute, ReferenceGrant},
            istio::{DestinationRule, EnvoyFilter, ServiceEntry},
        },
        own,
    },
    credentials,
    report::Report,
};

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) registrations: BTreeMap<Key, MCPServerRegistration>,
    pub(super) extensions: BTreeMap<Key, MCPGatewayExtension>,
    pub(super) virtual_servers: BTreeMap<Key, MCPVirtualServer>,
    pub(super) gateways: BTreeMap<Key, Named<Gateway>>,
    pub(super) routes: BTreeMap<Key, Named<HttpRoute>>,
    pub(super) grants: BTreeMap<Key, Named<ReferenceGrant>>,
    pub(super) namespaces: BTreeMap<Key, Named<Namespace>>,
    pub(super) services: BTreeMap<Key, Named<Service>>,
    pub(super) service_entries: BTreeMap<Key, Named<ServiceEntry>>,
    pub(super) destination_rules: BTreeMap<Key, Named<DestinationRule>>,
    pub(super) credentials: BTreeMap<Key, Named<Secret>>,
    pub(super) own_secrets: BTreeMap<Key, Named<Secret>>,
    pub(super) reports: BTreeMap<Key, BTreeMap<String, Instance>>,
    pub(super) envoy_filters: BTreeMap<Key, Named<EnvoyFilter>>,
    /// Kinds that the cluster does not have.
    pub(super) absent: BTreeSet<Kind>,
    pub(super) unwritten: Unwritten,
}

/// One key of a report.
#[derive(Debug)]
pub(super) struct Instance {
    text: String,
    /// Absent where it cannot be read.
    pub(super) report: Option<Report>,
    pub(super) is_silent: bool,
}

impl Cluster {
    pub(super) fn apply(&mut self, object: Object) {
        match object {
            Object::Registration(it) => put(&mut self.registrations, &it.metadata.clone(), *it),
            Object::Extension(it) => put(&mut self.extensions, &it.metadata.clone(), *it),
            Object::VirtualServer(it) => put(&mut self.virtual_servers, &it.metadata.clone(), *it),
            Object::Gateway(it) => put(&mut self.gateways, &it.metadata.clone(), it),
            Object::HttpRoute(it) => put(&mut self.routes, &it.metadata.clone(), it),
            Object::ReferenceGrant(it) => put(&mut self.grants, &it.metadata.clone(), it),
            Object::Namespace(it) => put(&mut self.namespaces, &it.metadata.clone(), it),
            Object::Service(it) => put(&mut self.services, &it.metadata.clone(), it),
            Object::ServiceEntry(it) => put(&mut self.service_entries, &it.metadata.clone(), it),
            Object::DestinationRule(it) => put(&mut self.destination_rules, &it.metadata.clone(), it),
            Object::CredentialSecret(mut it) => {
                // what can be no credential is not kept: anybody may label Secrets
                it.view
                    .data
                    .retain(|_, value| credentials::size(value) <= 2 * credentials::MAX_CREDENTIAL_BYTES);
                put(&mut self.credentials, &it.metadata.clone(), it);
            }
            Object::OwnSecret(it) => put(&mut self.own_secrets, &it.metadata.clone(), it),
            Object::EnvoyFilter(it) => put(&mut self.envoy_filters, &it.metadata.clone(), it),
            Object::Report(it) => {
                let mut old = self.reports.remove(&it.key()).unwrap_or_default();
                let new = it.view.data.into_iter().map(|(name, text)| {
                    let instance = old.remove(&name).filter(|old| old.text == text);
                    (name, instance.unwrap_or_else(|| Instance::new(text)))
                });
                put(&mut self.reports, &it.metadata, new.collect());
            }
        }
    }

    pub(super) fn delete(&mut self, kind: Kind, key: &Key) {
        match kind {
            Kind::Registration => drop(self.registrations.remove(key)),
            Kind::Extension => drop(self.extensions.remove(key)),
            Kind::VirtualServer => drop(self.virtual_servers.remove(key)),
            Kind::Gateway => drop(self.gateways.remove(key)),
            Kind::HttpRoute => drop(self.routes.remove(key)),
            Kind::ReferenceGrant => drop(self.grants.remove(key)),
            Kind::Namespace => drop(self.namespaces.remove(key)),
            Kind::Service => drop(self.services.remove(key)),
            Kind::ServiceEntry => drop(self.service_entries.remove(key)),
            Kind::DestinationRule => drop(self.destination_rules.remove(key)),
            Kind::CredentialSecret => drop(self.credentials.remove(key)),
            Kind::OwnSecret => drop(self.own_secrets.remove(key)),
            Kind::Report => drop(self.reports.remove(key)),
            Kind::EnvoyFilter => drop(self.envoy_filters.remove(key)),
        }
    }

    pub(super) fn silence(&mut self, namespace: &str, instance: &str) {
        let report = self.reports.get_mut(&Key::new(namespace, own::REPORT));
        if let Some(instance) = report.and_then(|instances| instances.get_mut(instance)) {
            instance.is_silent = true;
        }
    }

    /// Instances of the data plane of `namespace` that count.
    pub(super) fn instances(&self, namespace: &str) -> Vec<(&str, &Report)> {
        let instances = self.reports.get(&Key::new(namespace, own::REPORT)).into_iter().flatten();
        instances
            .filter(|(_, instance)| !instance.is_silent)
            .filter_map(|(name, instance)| Some((name.as_str(), instance.report.as_ref()?)))
            .collect()
    }
}

impl Instance {
    fn new(text: String) -> Self {
        let report = serde_json::from_str(&text).ok();
        Self { text, report, is_silent: false }
    }
}

fn put<T>(objects: &mut BTreeMap<Key, T>, metadata: &ObjectMeta, object: T) {
    let key = Key::of(metadata);
    if metadata.deletion_timestamp.is_some() {
        objects.remove(&key);
    } else {
        objects.insert(key, object);
    }
}

/// The objects of one namespace.
pub(super) fn of_namespace<'a, T>(
    objects: &'a BTreeMap<Key, T>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Key, &'a T)> {
    objects.range(Key::new(namespace, "")..).take_while(move |(key, _)| key.namespace == namespace)
}

/// The oldest first; of the same age by namespace and name. Objects without an age come last.
pub(super) fn by_age<T>(objects: &BTreeMap<Key, T>, metadata: fn(&T) -> &ObjectMeta) -> Vec<(&Key, &T)> {
    let mut sorted: Vec<_> = objects.iter().collect();
    sorted.sort_by_key(|(_, object)| {
        let created = metadata(object).creation_timestamp.as_ref().map(|time| time.0);
        (created.is_none(), created)
    });
    sorted
}
