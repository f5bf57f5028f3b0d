//! Whether the cluster already has what a write would bring.

use kube::core::ObjectMeta;
use serde_json::Value;

use super::cluster::Cluster;
use crate::{
    controller::{
        Body, Write,
        object::{Key, Kind},
    },
    credentials,
};

/// Whether `write` would change nothing.
pub(super) fn is_so(cluster: &Cluster, write: &Write) -> bool {
    match write {
        Write::Apply { kind, key, body } => has(cluster, *kind, key, body),
        Write::SessionKey { key } => cluster.own_secrets.contains_key(key),
        Write::Status { .. } | Write::Delete { .. } | Write::ForgetReport { .. } => false,
    }
}

fn has(cluster: &Cluster, kind: Kind, key: &Key, body: &Body) -> bool {
    match body {
        Body::Secret { entries, owners } => cluster.own_secrets.get(key).is_some_and(|secret| {
            secret.view.data.len() == entries.len()
                && owns(&secret.metadata, owners)
                && entries.iter().all(|(name, value)| {
                    secret.view.data.get(name).is_some_and(|old| credentials::same(old, value))
                })
        }),
        Body::Object { fields, owners } => match kind {
            Kind::EnvoyFilter => cluster.envoy_filters.get(key).is_some_and(|filter| {
                fields.get("spec").is_none_or(|spec| covers(&filter.view.spec, spec))
                    && owns(&filter.metadata, owners)
            }),
            Kind::HttpRoute => cluster
                .routes
                .get(key)
                .is_some_and(|route| covers(&route.view.whole, fields) && owns(&route.metadata, owners)),
            // its data is the data planes'
            Kind::Report => cluster.reports.contains_key(key),
            Kind::Registration
            | Kind::Extension
            | Kind::VirtualServer
            | Kind::Gateway
            | Kind::ReferenceGrant
            | Kind::Namespace
            | Kind::Service
            | Kind::ServiceEntry
            | Kind::DestinationRule
            | Kind::CredentialSecret
            | Kind::OwnSecret => false,
        },
    }
}

fn owns(metadata: &ObjectMeta, owners: &[Value]) -> bool {
    let known: Vec<Value> = metadata
        .owner_references
        .iter()
        .flatten()
        .filter_map(|owner| serde_json::to_value(owner).ok())
        .collect();
    owners.iter().all(|owner| known.iter().any(|known| covers(known, owner)))
}

/// Whether all of `wanted` is in `there`; fields that the API server adds do not count, items of a list do.
fn covers(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| there.get(name).is_some_and(|there| covers(there, wanted)))
        }
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() == wanted.len()
                && there.iter().zip(wanted).all(|(there, wanted)| covers(there, wanted))
        }
        (there, wanted) => there == wanted,
    }
}
