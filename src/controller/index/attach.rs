//! Routes and the listeners that have taken them.

use std::collections::HashMap;

use super::{cluster::Cluster, host, listener};
use crate::controller::{
    object::{
        Key, Named,
        gateway_api::{Gateway, HttpRoute, Listener, ParentRef, ParentStatus},
    },
    status::{Finding, reason},
};

/// One Gateway that has accepted a route.
#[derive(Debug)]
pub(super) struct Attached<'a> {
    pub(super) gateway: Key,
    /// In the Gateway's order; never twice.
    pub(super) listeners: Vec<&'a Listener>,
}

/// Every route with where it is attached.
#[derive(Debug, Default)]
pub(super) struct Attachments<'a> {
    routes: HashMap<&'a Key, Vec<Attached<'a>>>,
    /// Routes by Gateway and the host that they answer for.
    claims: HashMap<Key, HashMap<String, Vec<&'a Key>>>,
}

impl<'a> Attachments<'a> {
    pub(super) fn of(cluster: &'a Cluster) -> Self {
        let mut all = Self::default();
        for (key, route) in &cluster.routes {
            let attached = attached(cluster, key, route);
            for Attached { gateway, listeners } in &attached {
                for host in hosts(route, listeners) {
                    let routes = all.claims.entry(gateway.clone()).or_default().entry(host).or_default();
                    if !routes.contains(&key) {
                        routes.push(key);
                    }
                }
            }
            all.routes.insert(key, attached);
        }
        all
    }

    pub(super) fn of_route(&self, route: &Key) -> &[Attached<'a>] {
        self.routes.get(route).map_or(&[], Vec::as_slice)
    }

    /// Hosts and listener ports of `gateway` that nobody but this route answers on.
    pub(super) fn alone(&self, route: &Key, view: &HttpRoute, gateway: &Key) -> Vec<(String, u16)> {
        let claims = self.claims.get(gateway);
        let is_alone =
            |host: &str| claims.and_then(|hosts| hosts.get(host)).is_some_and(|all| all.len() == 1);
        let attached = self.of_route(route).iter().filter(|attached| attached.gateway == *gateway);
        let mut answers: Vec<(String, u16)> = attached
            .flat_map(|attached| &attached.listeners)
            .flat_map(|listener| hosts_of(view, listener).into_iter().map(|host| (host, listener.port)))
            .filter(|(host, _)| is_alone(host))
            .collect();
        answers.sort();
        answers.dedup();
        answers
    }

    /// Whether any route answers for exactly `host`.
    pub(super) fn is_claimed(&self, gateway: &Key, host: &str) -> bool {
        self.claims.get(gateway).is_some_and(|hosts| hosts.contains_key(host))
    }

    /// A route of another namespace than `namespace` that answers for `host` on the same Gateway.
    pub(super) fn foreign_claim(&self, gateway: &Key, host: &str, namespace: &str) -> Option<&'a Key> {
        let routes = self.claims.get(gateway)?.get(host)?;
        routes.iter().copied().find(|route| route.namespace != namespace)
    }
}

fn attached<'a>(cluster: &'a Cluster, key: &Key, route: &'a Named<HttpRoute>) -> Vec<Attached<'a>> {
    let mut all: Vec<Attached<'a>> = Vec::new();
    for (gateway, parent) in accepted_parents(key, &route.view) {
        let Some(view) = cluster.gateways.get(&gateway) else { continue };
        let position = all.iter().position(|attached| attached.gateway == gateway).unwrap_or_else(|| {
            all.push(Attached { gateway: gateway.clone(), listeners: Vec::new() });
            all.len() - 1
        });
        let Some(Attached { listeners, .. }) = all.get_mut(position) else { continue };
        for listener in taken(cluster, &gateway, view, parent, key, &route.view) {
            if !listeners.iter().any(|known| known.name == listener.name) {
                listeners.push(listener);
            }
        }
    }
    all
}

/// Listeners of `gateway` that `parent` means and that take the route.
fn taken<'a>(
    cluster: &'a Cluster,
    gateway: &Key,
    view: &'a Named<Gateway>,
    parent: &ParentRef,
    key: &Key,
    route: &HttpRoute,
) -> impl Iterator<Item = &'a Listener> {
    view.view.spec.listeners.iter().filter(move |listener| {
        parent.section_name.as_ref().is_none_or(|name| *name == listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
            && listener::is_http(listener)
            && listener::allows(cluster, gateway, listener, &key.namespace)
            && (route.spec.hostnames.is_empty() || !hosts_of(route, listener).is_empty())
    })
}

/// The hosts that a route answers for on these listeners, in lower case: what both sides take. A route without hosts
/// has those of the listener.
fn hosts(route: &Named<HttpRoute>, listeners: &[&Listener]) -> Vec<String> {
    listeners.iter().flat_map(|listener| hosts_of(&route.view, listener)).collect()
}

fn hosts_of(route: &HttpRoute, listener: &Listener) -> Vec<String> {
    let hostnames = &route.spec.hostnames;
    match listener::hostname(listener) {
        None => hostnames.iter().map(|host| host.to_ascii_lowercase()).collect(),
        Some(listener) if hostnames.is_empty() => vec![listener.to_ascii_lowercase()],
        Some(listener) => hostnames.iter().filter_map(|host| host::intersection(listener, host)).collect(),
    }
}

/// The Gateways of a route's own `parentRefs` that have accepted it, by whatever controller.
fn accepted_parents<'a>(key: &'a Key, route: &'a HttpRoute) -> impl Iterator<Item = (Key, &'a ParentRef)> {
    route.spec.parent_refs.iter().filter_map(move |parent| {
        let gateway = gateway_of(key, parent)?;
        let same = |other: &ParentRef| {
            gateway_of(key, other).as_ref() == Some(&gateway)
                && (&other.section_name, other.port) == (&parent.section_name, parent.port)
        };
        let says = |status: &ParentStatus| {
            same(&status.parent_ref)
                && status.conditions.iter().any(|it| it.kind == "Accepted" && it.status == "True")
        };
        route.status.parents.iter().any(says).then_some((gateway, parent))
    })
}

/// The Gateway that a `parentRef` means, if it means one.
pub(super) fn gateway_of(route: &Key, parent: &ParentRef) -> Option<Key> {
    let is_gateway = parent.group.as_deref().is_none_or(|group| group == "gateway.networking.k8s.io")
        && parent.kind.as_deref().is_none_or(|kind| kind == "Gateway");
    let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
    is_gateway.then(|| Key::new(namespace, &parent.name))
}

/// Why no Gateway has the route, as its own status says.
pub(super) fn why_not(key: &Key, route: &HttpRoute) -> Finding {
    let refusal = route.status.parents.iter().find_map(|parent| {
        let refusal = parent.conditions.iter().find(|it| it.kind == "Accepted" && it.status != "True")?;
        Some((gateway_of(key, &parent.parent_ref)?, refusal))
    });
    let Some((gateway, refusal)) = refusal else {
        let message = if route.spec.parent_refs.is_empty() {
            format!("HTTPRoute {key} names no Gateway; add a parentRef")
        } else {
            format!(
                "no Gateway has accepted HTTPRoute {key} yet; see whether its parentRefs name a Gateway, \
                 and whether that Gateway's controller runs"
            )
        };
        return Finding::new(reason::ROUTE_NOT_ACCEPTED, message);
    };
    let said = format!(
        "Gateway {gateway} does not accept HTTPRoute {key} ({}: {})",
        refusal.reason, refusal.message
    );
    match refusal.reason.as_str() {
        "NotAllowedByListeners" => Finding::new(
            reason::NOT_ALLOWED_BY_LISTENERS,
            format!(
                "{said}; let the listener take routes of namespace {}: allowedRoutes.namespaces.from: All, \
                 or a Selector",
                key.namespace
            ),
        ),
        "NoMatchingListenerHostname" => Finding::new(
            reason::ROUTE_NOT_ACCEPTED,
            format!(
                "{said}; give the Gateway a listener whose hostname takes the route's, such as *.mcp.local"
            ),
        ),
        _ => Finding::new(reason::ROUTE_NOT_ACCEPTED, format!("{said}; correct its parentRefs")),
    }
}
