//! The extensions that can serve a route: those from whose listener Envoy can re-route a request to it.

use std::collections::{BTreeSet, HashMap};

use super::{attach::Attached, cluster::Cluster, extension::Extension, listener, place::Place, seen::Seen};
use crate::{
    controller::{
        object::{
            Key, Named,
            gateway_api::{HttpRoute, Listener},
        },
        status::{Check, Finding, reason},
    },
    routing::Authority,
};

/// One extension, and the host that its router names for the server.
#[derive(Clone, Debug)]
pub(super) struct Spot<'e> {
    pub(super) extension: usize,
    pub(super) place: &'e Place<'e>,
    pub(super) hostname: Authority,
    /// Hosts and listener ports of the Gateway that lead to the server, this one among them.
    pub(super) answers: Vec<(String, u16)>,
}

/// Places by Gateway, with the position of their extension.
pub(super) fn by_gateway<'e>(
    extensions: &'e [Extension<'_>],
) -> HashMap<&'e Key, Vec<(usize, &'e Place<'e>)>> {
    let mut places: HashMap<&Key, Vec<_>> = HashMap::new();
    for (position, extension) in extensions.iter().enumerate() {
        if let Some(place) = &extension.place {
            places.entry(&place.gateway).or_default().push((position, place));
        }
    }
    places
}

/// Where `route` can be served; at least one, or why none.
pub(super) fn find<'e>(
    seen: &Seen<'_>,
    places: &HashMap<&Key, Vec<(usize, &'e Place<'e>)>>,
    key: &Key,
    route: &Named<HttpRoute>,
) -> Check<Vec<Spot<'e>>> {
    let hostnames: Vec<Authority> =
        route.view.spec.hostnames.iter().filter_map(|host| Authority::parse(host).ok()).collect();
    if hostnames.is_empty() {
        let message = format!(
            "HTTPRoute {key} has no hostname without wildcard, which the router could name; add one that \
             the listener takes, such as {}.mcp.local",
            key.name
        );
        return Err(Finding::new(reason::NO_HOSTNAME, message));
    }
    let attached = seen.attachments.of_route(key);
    let (mut spots, mut refusal) = (Vec::new(), None);
    for Attached { gateway, listeners } in attached {
        for (extension, place) in places.get(gateway).into_iter().flatten() {
            let reachable = |host: &&Authority| {
                listeners
                    .iter()
                    .any(|it| can_reroute(place.listener, it) && listener::takes(it, host.as_str()))
            };
            match hostnames.iter().find(reachable) {
                Some(hostname) => {
                    let mut answers = seen.attachments.alone(key, &route.view, gateway);
                    let routed = (hostname.to_string(), place.listener.port);
                    if !answers.contains(&routed) {
                        answers.push(routed);
                    }
                    spots.push(Spot { extension: *extension, place, hostname: hostname.clone(), answers });
                }
                None if refusal.is_none() => refusal = Some(mismatch(seen.cluster, key, place, listeners)),
                None => {}
            }
        }
    }
    if !spots.is_empty() {
        return Ok(spots);
    }
    Err(refusal.unwrap_or_else(|| {
        let names: Vec<_> = attached.iter().map(|attached| attached.gateway.to_string()).collect();
        let message = format!(
            "no accepted MCPGatewayExtension is on Gateway {}, which HTTPRoute {key} is attached to; \
             create one, or see the status of those that are there",
            names.join(", ")
        );
        Finding::new(reason::NO_EXTENSION, message)
    }))
}

/// HTTP listeners of a port share one table of routes; an HTTPS listener has its own.
fn can_reroute(from: &Listener, to: &Listener) -> bool {
    let both_http = from.protocol == "HTTP" && to.protocol == "HTTP";
    from.port == to.port && (both_http || from.name == to.name)
}

fn mismatch(cluster: &Cluster, key: &Key, place: &Place<'_>, listeners: &[&Listener]) -> Finding {
    if !listener::allows(cluster, &place.gateway, place.listener, &key.namespace) && listeners.is_empty() {
        let message = format!(
            "no listener of Gateway {} takes routes of namespace {}, that of HTTPRoute {key}; set \
             allowedRoutes.namespaces.from to All, or to a Selector that selects the namespace",
            place.gateway, key.namespace
        );
        return Finding::new(reason::NOT_ALLOWED_BY_LISTENERS, message);
    }
    let Listener { name, port, .. } = place.listener;
    let gateway = &place.gateway;
    let message = match listeners.iter().find(|listener| listener.port == *port) {
        None if listeners.is_empty() => format!(
            "no listener of Gateway {gateway} takes HTTPRoute {key}; correct its hostnames, or sectionName \
             and port of its parentRefs"
        ),
        None => {
            let ports: BTreeSet<_> = listeners.iter().map(|listener| listener.port.to_string()).collect();
            format!(
                "HTTPRoute {key} is attached to port {} of Gateway {gateway}, and MCPGatewayExtension {} \
                 to port {port}: Envoy cannot re-route from one port to another; attach the HTTPRoute to a \
                 listener on port {port}",
                ports.into_iter().collect::<Vec<_>>().join(", "),
                place.extension
            )
        }
        Some(other) if other.name == *name => format!(
            "listener {name} of Gateway {gateway} takes no hostname without wildcard of HTTPRoute {key}; \
             add one that it takes"
        ),
        Some(other) => format!(
            "HTTPRoute {key} is attached to listener {} of Gateway {gateway}, and clients use listener \
             {name}: Envoy cannot re-route between HTTPS listeners; use one listener whose hostname covers \
             both {} and the host of the route",
            other.name, place.public_host
        ),
    };
    Finding::new(reason::LISTENER_MISMATCH, message)
}

/// Listeners that have taken the route on Gateways where the server's hosts are not guarded.
pub(super) fn bypasses(seen: &Seen<'_>, key: &Key, spots: &[Spot<'_>]) -> Option<Finding> {
    let is_guarded = |gateway: &Key, listener: &Listener| {
        let mut guarded = spots.iter().filter(|spot| spot.place.gateway == *gateway);
        guarded.any(|spot| spot.answers.iter().any(|(_, port)| *port == listener.port))
    };
    let open: Vec<String> = seen
        .attachments
        .of_route(key)
        .iter()
        .flat_map(|Attached { gateway, listeners }| listeners.iter().map(move |listener| (gateway, listener)))
        .filter(|(gateway, listener)| !is_guarded(gateway, listener))
        .map(|(gateway, Listener { name, port, .. })| format!("{name} (port {port}) of Gateway {gateway}"))
        .collect();
    if open.is_empty() {
        return None;
    }
    let wanted: BTreeSet<_> = spots.iter().map(|spot| spot.place.gateway.to_string()).collect();
    let message = format!(
        "HTTPRoute {key} is also attached to listener {}, where nothing keeps requests from the server that \
         did not pass the router; attach it to Gateway {} alone, and let no other HTTPRoute have its host",
        open.join(", "),
        wanted.into_iter().collect::<Vec<_>>().join(", ")
    );
    Some(Finding::new(reason::BYPASS_POSSIBLE, message))
}
