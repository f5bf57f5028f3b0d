//! Listeners of a Gateway: which take a host, and whose routes.

use super::{cluster::Cluster, host};
use crate::controller::object::{
    Key,
    gateway_api::{Expression, FromNamespaces, Listener, Selector},
};

/// Whether the listener takes requests for `host`.
pub(super) fn takes(listener: &Listener, host: &str) -> bool {
    hostname(listener).is_none_or(|pattern| host::covers(pattern, host))
}

/// The listener's host name; absent where it takes every host.
pub(super) fn hostname(listener: &Listener) -> Option<&str> {
    listener.hostname.as_deref().filter(|hostname| !hostname.is_empty())
}

pub(super) fn is_http(listener: &Listener) -> bool {
    matches!(listener.protocol.as_str(), "HTTP" | "HTTPS")
}

/// Whether routes of `namespace` may attach to a listener of `gateway`.
pub(super) fn allows(cluster: &Cluster, gateway: &Key, listener: &Listener, namespace: &str) -> bool {
    let allowed = &listener.allowed_routes.namespaces;
    match allowed.from {
        FromNamespaces::All => true,
        FromNamespaces::Same => gateway.namespace == namespace,
        FromNamespaces::Selector => {
            cluster.namespaces.get(&Key::new("", namespace)).is_some_and(|namespace| {
                let label = |key: &str| namespace.metadata.labels.as_ref()?.get(key).map(String::as_str);
                selects(&allowed.selector, label)
            })
        }
        FromNamespaces::None => false,
    }
}

/// An empty selector selects all, as everywhere in Kubernetes; an operator that nobody knows selects nothing.
fn selects<'a>(selector: &Selector, label: impl Fn(&str) -> Option<&'a str>) -> bool {
    let holds = |Expression { key, operator, values }: &Expression| {
        let value = label(key);
        let is_listed = value.is_some_and(|value| values.iter().any(|listed| listed == value));
        match operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    selector.match_labels.iter().all(|(key, value)| label(key) == Some(value))
        && selector.match_expressions.iter().all(holds)
}
