//! Listeners: from which of them Envoy can re-route to a server, and whose routes they take.

use serde_json::{Value, json};

use super::{guide::NAME, world::World};
use crate::controller::object::Kind;

const GATEWAY: &str = "gateway-system/mcp-gateway";
const ROUTE: &str = "mcp-test/github-mcp-external";

fn listener(name: &str, port: u16, protocol: &str, hostname: &str) -> Value {
    let from = json!({"namespaces": {"from": "All"}});
    json!({"name": name, "port": port, "protocol": protocol, "hostname": hostname, "allowedRoutes": from})
}

/// The guide with other listeners.
fn with(listeners: &[Value]) -> World {
    let mut world = World::guide();
    world.set(Kind::Gateway, GATEWAY, "/spec/listeners", json!(listeners));
    world
}

#[test]
fn a_server_is_served_where_envoy_can_re_route_to_it() {
    let public = ("mcp", "mcp.example.com");
    for (public_port, protocol, port, server_protocol, served) in [
        (8080, "HTTP", 8080, "HTTP", true),
        (8080, "HTTP", 8081, "HTTP", false),
        (8443, "HTTPS", 8443, "HTTPS", false),
        (8080, "HTTP", 8443, "HTTPS", false),
        (8443, "HTTPS", 8080, "HTTP", false),
    ] {
        let mut world = with(&[
            listener(public.0, public_port, protocol, public.1),
            listener("mcps", port, server_protocol, "*.mcp.local"),
        ]);
        let said = world.registration(NAME, "Accepted");
        assert_eq!(
            said.starts_with("True"),
            served,
            "{protocol} {public_port} {server_protocol} {port}: {said}"
        );
        assert_eq!(world.servers().len(), usize::from(served));
        assert!(served || said.starts_with("False ListenerMismatch: "), "{said}");
    }
}

#[test]
fn a_mismatch_says_what_to_do() {
    let mut world = with(&[
        listener("mcp", 8443, "HTTPS", "mcp.example.com"),
        listener("mcps", 8443, "HTTPS", "*.mcp.local"),
    ]);
    assert_eq!(
        world.registration(NAME, "Accepted"),
        "False ListenerMismatch: HTTPRoute mcp-test/github-mcp-external is attached to listener mcps of \
         Gateway gateway-system/mcp-gateway, and clients use listener mcp: Envoy cannot re-route between \
         HTTPS listeners; use one listener whose hostname covers both mcp.example.com and the host of the \
         route"
    );
    let mut world = with(&[
        listener("mcp", 8080, "HTTP", "mcp.example.com"),
        listener("mcps", 8081, "HTTP", "*.mcp.local"),
    ]);
    assert_eq!(
        world.registration(NAME, "Accepted"),
        "False ListenerMismatch: HTTPRoute mcp-test/github-mcp-external is attached to port 8081 of \
         Gateway gateway-system/mcp-gateway, and MCPGatewayExtension mcp-system/gateway to port 8080: \
         Envoy cannot re-route from one port to another; attach the HTTPRoute to a listener on port 8080"
    );
}

#[test]
fn one_https_listener_can_take_both_hosts() {
    for hostname in ["*.mcp.local", ""] {
        let mut world = with(&[listener("mcp", 8443, "HTTPS", hostname)]);
        world.set(Kind::Extension, "mcp-system/gateway", "/spec/publicHost", json!("mcp.mcp.local"));
        assert!(world.registration(NAME, "Accepted").starts_with("True"), "{hostname}");
    }
}

#[test]
fn another_port_is_guarded_and_another_gateway_can_be_by_passed() {
    let mut world = with(&[
        listener("mcp", 8080, "HTTP", "mcp.example.com"),
        listener("mcps", 8080, "HTTP", "*.mcp.local"),
        listener("also", 8081, "HTTP", "*.mcp.local"),
    ]);
    let said = world.registration(NAME, "Warnings");
    assert!(said.starts_with("True HostNameNotVerified"), "{said}");

    let mut other = world.get(Kind::Gateway, "gateway-system/mcp-gateway").unwrap().clone();
    other["metadata"]["name"] = json!("other");
    world.put(other);
    let parents = json!([
        {"name": "mcp-gateway", "namespace": "gateway-system"},
        {"name": "other", "namespace": "gateway-system", "sectionName": "mcps"},
    ]);
    world.set(Kind::HttpRoute, ROUTE, "/spec/parentRefs", parents.clone());
    world.set(Kind::HttpRoute, ROUTE, "/status", super::world::accepted(&parents));
    let said = world.registration(NAME, "Warnings");
    assert!(
        said.starts_with(
            "True BypassPossible: HTTPRoute mcp-test/github-mcp-external is also attached to listener mcps \
             (port 8080) of Gateway gateway-system/other, where nothing keeps requests from the server that \
             did not pass the router; attach it to Gateway gateway-system/mcp-gateway alone"
        ),
        "{said}"
    );
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
}

#[test]
fn a_parent_ref_reaches_only_the_listener_it_names() {
    let mut world = World::guide();
    let parent = json!([{"name": "mcp-gateway", "namespace": "gateway-system", "sectionName": "mcp"}]);
    world.set(Kind::HttpRoute, ROUTE, "/spec/parentRefs", parent.clone());
    world.set(Kind::HttpRoute, ROUTE, "/status", super::world::accepted(&parent));
    let said = world.registration(NAME, "Accepted");
    assert!(
        said.starts_with("False ListenerMismatch: no listener of Gateway gateway-system/mcp-gateway takes"),
        "{said}"
    );
}

#[test]
fn the_listener_decides_whose_routes_it_takes() {
    for (namespaces, takes) in [
        (json!({"from": "All"}), true),
        (json!({"from": "Same"}), false),
        (json!({"from": "None"}), false),
        (json!({}), false),
        (json!({"from": "Selector", "selector": {}}), true),
        (json!({"from": "Selector", "selector": {"matchLabels": {"team": "tools"}}}), true),
        (json!({"from": "Selector", "selector": {"matchLabels": {"team": "other"}}}), false),
        (expression("In", &["other", "tools"]), true),
        (expression("In", &["other"]), false),
        (expression("NotIn", &["other"]), true),
        (expression("NotIn", &["tools"]), false),
        (expression("Exists", &[]), true),
        (expression("DoesNotExist", &[]), false),
        (expression("Near", &[]), false),
    ] {
        let mut world = World::guide();
        world.set(
            Kind::Gateway,
            GATEWAY,
            "/spec/listeners/1/allowedRoutes",
            json!({"namespaces": namespaces}),
        );
        let said = world.registration(NAME, "Accepted");
        assert_eq!(said.starts_with("True"), takes, "{namespaces}: {said}");
    }
}

#[test]
fn a_gateway_that_takes_no_route_of_the_namespace_is_told_apart() {
    let mut world = World::guide();
    let team = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "gateway"}}}});
    for at in 0..2 {
        world.set(Kind::Gateway, GATEWAY, &format!("/spec/listeners/{at}/allowedRoutes"), team.clone());
    }
    let said = world.registration(NAME, "Accepted");
    assert!(
        said.starts_with("False NotAllowedByListeners: ") && said.contains("allowedRoutes.namespaces.from"),
        "{said}"
    );
    world.apply("{apiVersion: v1, kind: Namespace, metadata: {name: mcp-test, labels: {team: gateway}}}");
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
}

#[test]
fn a_gateway_without_extension_serves_nobody() {
    let mut world = World::guide();
    world.delete(Kind::Extension, "mcp-system/gateway");
    let said = world.registration(NAME, "Accepted");
    assert_eq!(
        said,
        "False NoExtension: no accepted MCPGatewayExtension is on Gateway gateway-system/mcp-gateway, \
         which HTTPRoute mcp-test/github-mcp-external is attached to; create one, or see the status of \
         those that are there"
    );
}

fn expression(operator: &str, values: &[&str]) -> Value {
    json!({"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}})
}
