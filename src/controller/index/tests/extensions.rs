//! Extensions: where each stands, and what refuses it.

use serde_json::{Value, json};

use super::{guide::NAME, world::World};
use crate::controller::object::Kind;

const EXTENSION: &str = "mcp-system/gateway";
const GATEWAY: &str = "gateway-system/mcp-gateway";

fn with(pointer: &str, value: Value) -> World {
    let mut world = World::guide();
    world.set(Kind::Extension, EXTENSION, pointer, value);
    world
}

fn listeners(value: Value) -> World {
    let mut world = World::guide();
    let from = json!({"namespaces": {"from": "All"}});
    let mut value = value;
    for listener in value.as_array_mut().unwrap() {
        listener["allowedRoutes"] = from.clone();
    }
    world.set(Kind::Gateway, GATEWAY, "/spec/listeners", value);
    world
}

/// A second extension, of `namespace`, on the listener `section`.
fn second(world: &mut World, namespace: &str, section: &str, created: &str) {
    world.apply(&format!(
        r#"
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {{name: second, namespace: gateway-system}}
spec:
  from: [{{group: mcp.kagenti.com, kind: MCPGatewayExtension, namespace: {namespace}}}]
  to: [{{group: gateway.networking.k8s.io, kind: Gateway}}]
---
apiVersion: v1
kind: Service
metadata: {{name: mcp-broker-router, namespace: {namespace}}}
spec: {{ports: [{{name: grpc, port: 50051}}]}}
---
apiVersion: mcp.kagenti.com/v1alpha1
kind: MCPGatewayExtension
metadata: {{name: second, namespace: {namespace}, creationTimestamp: "{created}"}}
spec:
  targetRef: {{name: mcp-gateway, namespace: gateway-system, sectionName: {section}}}
"#
    ));
}

#[test]
fn a_gateway_of_another_namespace_needs_a_grant_there() {
    let mut world = World::guide();
    world.settle_well();
    world.delete(Kind::ReferenceGrant, "gateway-system/mcp-system");
    let said = world.extension("ResolvedRefs");
    assert!(
        said.starts_with("False RefNotPermitted: Gateway gateway-system/mcp-gateway is in another namespace"),
        "{said}"
    );
    assert_eq!(world.extension("Accepted"), "False NotResolved: not judged; see condition ResolvedRefs");
    assert_eq!(
        world.extension("Programmed"),
        "False NotResolved: not configured; see condition ResolvedRefs"
    );
    assert!(world.registration(NAME, "Accepted").starts_with("False NoExtension"));
    // revoked means that nothing is served any more; sessions outlive it
    assert_eq!(world.keys(Kind::OwnSecret), ["mcp-system/mcp-gateway-session-key"]);
    assert_eq!(world.keys(Kind::EnvoyFilter), [""; 0]);
    assert_eq!(world.get(Kind::HttpRoute, "mcp-system/mcp-gateway-route"), None);
}

#[test]
fn what_is_missing_is_named() {
    for (pointer, value, condition, said) in [
        (
            "/spec/targetRef/name",
            json!("gone"),
            "ResolvedRefs",
            "False GatewayNotFound: Gateway gateway-system/gone does not exist; create it, or correct \
             spec.targetRef",
        ),
        (
            "/spec/targetRef/kind",
            json!("Service"),
            "ResolvedRefs",
            "False GatewayNotFound: spec.targetRef must name a Gateway",
        ),
        (
            "/spec/targetRef/sectionName",
            json!("gone"),
            "Accepted",
            "False ListenerNotFound: Gateway gateway-system/mcp-gateway has no listener gone, but: mcp, \
             mcps; correct",
        ),
        ("/spec/publicHost", json!("no host"), "Accepted", "False PublicHostInvalid: spec.publicHost"),
        (
            "/spec/publicHost",
            json!("elsewhere.org"),
            "Accepted",
            "False PublicHostInvalid: listener mcp of Gateway gateway-system/mcp-gateway does not take \
             elsewhere.org",
        ),
        (
            "/spec/privateHost",
            json!("http://a/b"),
            "Accepted",
            "False PrivateHostInvalid: spec.privateHost must be `host:port`",
        ),
        ("/spec/privateHost", json!("ftp://a:1"), "Accepted", "False PrivateHostInvalid: "),
    ] {
        let mut world = with(pointer, value);
        let found = world.extension(condition);
        assert!(found.starts_with(said), "{found}");
        assert_eq!(world.keys(Kind::EnvoyFilter), [""; 0]);
    }
}

#[test]
fn the_listener_need_not_be_named_where_one_fits_best() {
    let http = |name: &str, port: u16, hostname: &str| json!({"name": name, "port": port, "protocol": "HTTP", "hostname": hostname});
    for (written, host, listeners_of, said) in [
        (
            None,
            "mcp.example.com",
            json!([http("a", 80, "mcp.example.com"), http("b", 80, "*.mcp.local")]),
            "True Accepted",
        ),
        (None, "mcp.mcp.local", json!([http("b", 80, "*.mcp.local")]), "True Accepted"),
        (
            None,
            "",
            json!([http("a", 80, "a.org"), http("b", 80, "b.org")]),
            "False ListenerAmbiguous: Gateway gateway-system/mcp-gateway has several listeners for it: a, \
             b; name one",
        ),
        (
            None,
            "",
            json!([http("a", 80, "")]),
            "False PublicHostInvalid: listener a of Gateway gateway-system/mcp-gateway has no hostname; \
             write spec.publicHost",
        ),
        (
            Some("x.a.org:8001"),
            "x.a.org",
            json!([http("a", 80, "*.a.org"), http("b", 80, "*.org"), http("c", 80, "")]),
            "True Accepted",
        ),
        (
            Some("X.a.org"),
            "x.a.org",
            json!([http("a", 80, ""), http("b", 443, "")]),
            "False ListenerAmbiguous",
        ),
        (
            Some("x.a.org"),
            "",
            json!([http("a", 80, "b.org")]),
            "False ListenerNotFound: Gateway gateway-system/mcp-gateway has no listener that takes x.a.org",
        ),
    ] {
        let mut world = listeners(listeners_of);
        world.set(Kind::Extension, EXTENSION, "/spec/targetRef/sectionName", json!(null));
        world.set(Kind::Extension, EXTENSION, "/spec/publicHost", json!(written));
        let found = world.extension("Accepted");
        assert!(found.starts_with(said), "{found}");
        let shown = world.get(Kind::Extension, EXTENSION).unwrap()["status"]["publicHost"].as_str();
        assert!(!said.starts_with("True") || shown == Some(host), "{shown:?}");
    }
}

#[test]
fn a_listener_of_another_protocol_is_refused() {
    let mut world = listeners(json!([{"name": "mcp", "port": 80, "protocol": "TCP"}]));
    assert!(world.extension("Accepted").starts_with("False UnsupportedProtocol: listener mcp of Gateway"));
}

#[test]
fn the_listener_must_take_routes_of_the_extensions_namespace() {
    let mut world = World::guide();
    world.set(Kind::Gateway, GATEWAY, "/spec/listeners/0/allowedRoutes", json!({}));
    let said = world.extension("Accepted");
    assert!(
        said.starts_with("False NotAllowedByListeners: listener mcp of Gateway")
            && said.contains("takes no routes of namespace mcp-system"),
        "{said}"
    );
}

#[test]
fn of_two_extensions_of_a_namespace_or_port_the_older_wins() {
    let mut world = World::guide();
    second(&mut world, "mcp-system", "mcps", "2026-01-02T00:00:00Z");
    let said = world.says(Kind::Extension, "mcp-system/second", "Accepted");
    assert!(
        said.starts_with(
            "False ExtensionConflict: namespace mcp-system has the older MCPGatewayExtension \
             mcp-system/gateway"
        ),
        "{said}"
    );
    assert!(world.extension("Accepted").starts_with("True"));

    let mut world = World::guide();
    second(&mut world, "other", "mcps", "2025-01-02T00:00:00Z");
    let said = world.extension("Accepted");
    assert!(
        said.starts_with(
            "False ExtensionConflict: port 8080 of Gateway gateway-system/mcp-gateway has the older \
             MCPGatewayExtension other/second"
        ),
        "{said}"
    );
    assert!(world.says(Kind::Extension, "other/second", "Accepted").starts_with("True"));
}

#[test]
fn who_is_not_permitted_holds_no_port() {
    let mut world = World::guide();
    second(&mut world, "other", "mcp", "2025-01-02T00:00:00Z");
    world.delete(Kind::ReferenceGrant, "gateway-system/second");
    assert!(world.extension("Accepted").starts_with("True"));
    assert!(world.says(Kind::Extension, "other/second", "ResolvedRefs").starts_with("False RefNotPermitted"));
}

#[test]
fn two_gateways_on_two_ports_serve_what_they_can_reach() {
    let mut world = World::guide();
    let other = json!({"name": "tls", "port": 8081, "protocol": "HTTP", "hostname": "*.other.org", "allowedRoutes": {"namespaces": {"from": "All"}}});
    let mut all = world.get(Kind::Gateway, GATEWAY).unwrap()["spec"]["listeners"].clone();
    all.as_array_mut().unwrap().push(other);
    world.set(Kind::Gateway, GATEWAY, "/spec/listeners", all);
    second(&mut world, "other", "tls", "2025-01-02T00:00:00Z");
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
    assert_eq!(world.servers().len(), 1);
    world.settle_well();
    assert_eq!(
        world.registration(NAME, "Programmed"),
        "True Programmed: seen through the Gateway by mcp-system/gateway"
    );
    assert_eq!(
        world.keys(Kind::EnvoyFilter),
        ["gateway-system/mcp-gateway-mcp-system-gateway", "gateway-system/mcp-gateway-other-second"]
    );
}

#[test]
fn two_extensions_cannot_have_one_envoy_filter() {
    let mut world = World::guide();
    let spare = json!({"name": "spare", "port": 8081, "protocol": "HTTP", "hostname": "*.other.org", "allowedRoutes": {"namespaces": {"from": "All"}}});
    let mut all = world.get(Kind::Gateway, GATEWAY).unwrap()["spec"]["listeners"].clone();
    all.as_array_mut().unwrap().push(spare);
    world.set(Kind::Gateway, GATEWAY, "/spec/listeners", all);
    second(&mut world, "mcp", "spare", "2026-01-02T00:00:00Z");
    let mut same = world.get(Kind::Extension, "mcp/second").unwrap().clone();
    world.delete(Kind::Extension, "mcp/second");
    same["metadata"]["name"] = json!("system-gateway");
    world.put(same);
    let said = world.says(Kind::Extension, "mcp/system-gateway", "Accepted");
    assert!(said.starts_with("False ExtensionConflict: the name of EnvoyFilter"), "{said}");
}

#[test]
fn without_istio_nothing_is_attached_and_a_condition_says_so() {
    let mut world = World::guide();
    world.index.present(Kind::EnvoyFilter, false);
    let said = world.extension("Programmed");
    assert!(
        said.starts_with("False IstioMissing: the cluster has no EnvoyFilter")
            && said.ends_with("install Istio"),
        "{said}"
    );
    assert_eq!(world.keys(Kind::EnvoyFilter), [""; 0]);
    assert_eq!(world.servers().len(), 1);
    world.index.present(Kind::EnvoyFilter, true);
    world.settle_well();
    assert!(world.extension("Programmed").starts_with("True"));
}

#[test]
fn a_service_that_envoy_cannot_speak_grpc_to_is_not_attached() {
    for (port, speaks) in [
        (json!({"name": "grpc", "port": 50051}), true),
        (json!({"name": "grpc-router", "port": 50051}), true),
        (json!({"name": "http2", "port": 50051}), true),
        (json!({"name": "router", "port": 50051, "appProtocol": "kubernetes.io/h2c"}), true),
        (json!({"name": "router", "port": 50051}), false),
        (json!({"name": "grpcs", "port": 50051}), false),
        (json!({"name": "grpc", "port": 50051, "appProtocol": "http"}), false),
        (json!({"name": "grpc", "port": 50052}), false),
    ] {
        let mut world = World::guide();
        world.set(Kind::Service, "mcp-system/mcp-broker-router", "/spec/ports", json!([port]));
        let said = world.extension("Programmed");
        assert_eq!(
            !said.starts_with("False GrpcPortName: Service mcp-system/mcp-broker-router has no port 50051"),
            speaks,
            "{port}: {said}"
        );
        assert_eq!(world.keys(Kind::EnvoyFilter).len(), usize::from(speaks));
    }
}

#[test]
fn a_data_plane_that_goes_leaves_the_router_in_the_way() {
    let mut world = World::guide();
    world.settle_well();
    world.delete(Kind::Service, "mcp-system/mcp-broker-router");
    let said = world.extension("ResolvedRefs");
    assert!(
        said.starts_with("False ServiceNotFound: Service mcp-system/mcp-broker-router does not exist"),
        "{said}"
    );
    assert!(world.extension("Ready").starts_with("False ServiceNotFound"));
    assert_eq!(world.keys(Kind::EnvoyFilter).len(), 1);
}

#[test]
fn a_public_host_that_another_namespace_answers_for_is_a_warning() {
    let mut world = World::guide();
    world.server("evil/time", "");
    world.set(Kind::HttpRoute, "evil/time", "/spec/hostnames", json!(["mcp.example.com"]));
    let said = world.extension("Warnings");
    assert!(
        said.starts_with(
            "True HostShared: HTTPRoute evil/time answers for the public host mcp.example.com too"
        ),
        "{said}"
    );
}

#[test]
fn an_origin_that_is_none_is_left_out_with_a_warning() {
    let mut world = with("/spec/allowedOrigins", json!(["https://app.example.com", "app.example.com"]));
    let said = world.extension("Warnings");
    assert!(said.starts_with("True OriginInvalid: spec.allowedOrigins: \"app.example.com\""), "{said}");
    assert!(world.extension("Accepted").starts_with("True"));
}

#[test]
fn the_route_of_the_public_host_must_be_accepted() {
    let mut world = World::guide();
    world.settle_well();
    world.set(Kind::HttpRoute, "mcp-system/mcp-gateway-route", "/status", json!({"parents": []}));
    assert!(world.extension("Programmed").starts_with(
        "False RouteNotAccepted: no Gateway has accepted HTTPRoute mcp-system/mcp-gateway-route"
    ));
}

#[test]
fn a_route_that_is_not_managed_is_taken_away_and_not_asked_for() {
    let mut world = World::guide();
    world.settle_well();
    world.set(Kind::Extension, EXTENSION, "/spec/httpRouteManagement", json!("Disabled"));
    world.settle();
    assert_eq!(world.get(Kind::HttpRoute, "mcp-system/mcp-gateway-route"), None);
    assert!(world.extension("Programmed").starts_with("True"));
    // another's of the same name stays
    world.apply(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: mcp-gateway-route, \
         namespace: mcp-system}, spec: {}}",
    );
    world.settle();
    assert!(world.get(Kind::HttpRoute, "mcp-system/mcp-gateway-route").is_some());
}

#[test]
fn what_cannot_be_written_is_told_until_it_can() {
    let mut world = World::guide();
    world.settle_well();
    let filter = (Kind::EnvoyFilter, super::world::key("gateway-system/mcp-gateway-mcp-system-gateway"));
    world.index.unwritten([(filter, "admission webhook denied the request (400)".to_owned())].into());
    world.settle();
    let said = world.extension("Programmed");
    assert_eq!(
        said,
        "False NotWritten: EnvoyFilter gateway-system/mcp-gateway-mcp-system-gateway cannot be written: admission \
         webhook denied the request (400); repair that, the controller tries again"
    );
    world.index.unwritten([].into());
    world.settle();
    assert!(world.extension("Programmed").starts_with("True"), "{}", world.extension("Programmed"));
}
