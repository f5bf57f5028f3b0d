//! Registrations: the route they name, and whether the gateway can use it.

use serde_json::{Value, json};

use super::{guide::NAME, world::World};
use crate::controller::object::Kind;

const ROUTE: &str = "mcp-test/github-mcp-external";

/// The guide with one value of the route changed.
fn with_route(pointer: &str, value: Value) -> World {
    let mut world = World::guide();
    world.set(Kind::HttpRoute, ROUTE, pointer, value);
    world
}

fn with_registration(pointer: &str, value: Value) -> World {
    let mut world = World::guide();
    world.set(Kind::Registration, NAME, pointer, value);
    world
}

#[test]
fn a_route_that_does_not_exist_is_named() {
    let mut world = with_registration("/spec/targetRef/name", json!("gone"));
    assert_eq!(
        world.registration(NAME, "ResolvedRefs"),
        "False RouteNotFound: HTTPRoute mcp-test/gone does not exist; create it, or correct spec.targetRef"
    );
    assert_eq!(
        world.registration(NAME, "Accepted"),
        "False NotResolved: not judged; see condition ResolvedRefs"
    );
    assert_eq!(
        world.registration(NAME, "Programmed"),
        "False NotResolved: not configured; see condition ResolvedRefs"
    );
    assert_eq!(world.registration(NAME, "Ready"), world.registration(NAME, "ResolvedRefs"));
    assert_eq!(world.servers(), [""; 0]);
}

#[test]
fn only_a_route_can_be_the_target() {
    let mut world = with_registration("/spec/targetRef/kind", json!("Service"));
    assert!(
        world
            .registration(NAME, "ResolvedRefs")
            .starts_with("False RouteNotFound: spec.targetRef must name an HTTPRoute")
    );
}

#[test]
fn a_route_of_another_namespace_needs_a_grant_there() {
    let mut world = World::guide();
    world.server("other/time", "");
    world.set(
        Kind::Registration,
        "other/time",
        "/spec/targetRef",
        json!({"name": "github-mcp-external", "namespace": "mcp-test"}),
    );
    world.delete(Kind::Registration, NAME);
    let said = world.registration("other/time", "ResolvedRefs");
    assert!(
        said.starts_with(
            "False RefNotPermitted: HTTPRoute mcp-test/github-mcp-external is in another namespace"
        ),
        "{said}"
    );
    assert!(said.contains("create a ReferenceGrant in namespace mcp-test"), "{said}");
    assert_eq!(world.servers(), [""; 0]);
    let grant = |from: &str, kind: &str, name: &str| {
        format!(
            r"
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {{name: grant, namespace: mcp-test}}
spec:
  from: [{{group: mcp.kagenti.com, kind: {kind}, namespace: {from}}}]
  to: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {name}}}]
"
        )
    };
    for (from, kind, name, permits) in [
        ("third", "MCPServerRegistration", "github-mcp-external", false),
        ("other", "MCPGatewayExtension", "github-mcp-external", false),
        ("other", "MCPServerRegistration", "another", false),
        ("other", "MCPServerRegistration", "github-mcp-external", true),
    ] {
        world.apply(&grant(from, kind, name));
        let resolved = world.registration("other/time", "ResolvedRefs");
        assert_eq!(resolved.starts_with("True"), permits, "{from} {kind} {name}: {resolved}");
    }
    assert_eq!(world.servers(), ["other/time github.mcp.local https://api.githubcopilot.com/mcp"]);
    world.delete(Kind::ReferenceGrant, "mcp-test/grant");
    assert_eq!(world.servers(), [""; 0]);
}

#[test]
fn what_the_gateway_says_of_a_refused_route_is_passed_on_with_the_fix() {
    let refused = |reason: &str| {
        json!({"parents": [{
            "parentRef": {"name": "mcp-gateway", "namespace": "gateway-system"},
            "conditions": [{"type": "Accepted", "status": "False", "reason": reason, "message": "said Istio"}],
        }]})
    };
    for (reason, ours, fix) in [
        (
            "NotAllowedByListeners",
            "NotAllowedByListeners",
            "let the listener take routes of namespace mcp-test: allowedRoutes",
        ),
        (
            "NoMatchingListenerHostname",
            "RouteNotAccepted",
            "give the Gateway a listener whose hostname takes the route's",
        ),
        ("NoMatchingParent", "RouteNotAccepted", "correct its parentRefs"),
    ] {
        let said = with_route("/status", refused(reason)).registration(NAME, "Accepted");
        assert!(
            said.starts_with(&format!(
                "False {ours}: Gateway gateway-system/mcp-gateway does not accept HTTPRoute {ROUTE}"
            )),
            "{said}"
        );
        assert!(said.contains(&format!("({reason}: said Istio)")) && said.contains(fix), "{said}");
    }
}

#[test]
fn a_route_that_nobody_has_judged_yet_is_not_accepted() {
    let said = with_route("/status", json!({"parents": []})).registration(NAME, "Accepted");
    assert!(said.starts_with("False RouteNotAccepted: no Gateway has accepted HTTPRoute"), "{said}");
    let said = with_route("/spec/parentRefs", json!([])).registration(NAME, "Accepted");
    assert!(said.contains("names no Gateway; add a parentRef"), "{said}");
}

#[test]
fn a_status_for_a_parent_that_was_taken_out_does_not_count() {
    let world = with_route("/spec/parentRefs/0", json!({"name": "another", "namespace": "gateway-system"}));
    assert_eq!(world.servers(), [""; 0]);
}

#[test]
fn a_route_must_lead_to_one_place() {
    let backend = json!({"name": "api.githubcopilot.com", "kind": "Hostname", "group": "networking.istio.io", "port": 443});
    for (pointer, value, reason, message) in [
        ("/spec/rules", json!([]), "UnsupportedRoute", "has 0 rules"),
        (
            "/spec/rules",
            json!([{"backendRefs": [backend]}, {"backendRefs": [backend]}]),
            "UnsupportedRoute",
            "has 2 rules",
        ),
        ("/spec/rules/0/backendRefs", json!([]), "UnsupportedRoute", "has 0 backendRefs"),
        ("/spec/rules/0/backendRefs", json!([backend, backend]), "UnsupportedRoute", "has 2 backendRefs"),
        (
            "/spec/rules/0/filters",
            json!([{"type": "RequestRedirect"}]),
            "UnsupportedRoute",
            "remove the filter",
        ),
        (
            "/spec/rules/0/filters",
            json!([{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]),
            "PathRewritten",
            "remove urlRewrite.path and write the server's own path in spec.path",
        ),
    ] {
        let mut world = with_route(pointer, value);
        let said = world.registration(NAME, "Accepted");
        assert!(
            said.starts_with(&format!("False {reason}: HTTPRoute {ROUTE}")) && said.contains(message),
            "{said}"
        );
        assert_eq!(world.servers(), [""; 0]);
    }
}

#[test]
fn the_path_must_go_through_the_route() {
    let path = |kind: &str, value: &str| json!([{"path": {"type": kind, "value": value}}]);
    for (matches, takes) in [
        (json!([]), true),
        (json!([{}]), true),
        (path("PathPrefix", "/"), true),
        (path("PathPrefix", "/mcp"), true),
        (path("PathPrefix", "/mcp/"), true),
        (path("PathPrefix", "/mc"), false),
        (path("PathPrefix", "/mcp/v1"), false),
        (path("Exact", "/mcp"), true),
        (path("Exact", "/mcp/"), false),
        (path("RegularExpression", "/mcp"), false),
        (
            json!([{"path": {"type": "Exact", "value": "/x"}}, {"path": {"type": "Exact", "value": "/mcp"}}]),
            true,
        ),
        (json!([{"method": "POST"}]), false),
        (json!([{"headers": [{"name": "a", "value": "b"}]}]), false),
        (json!([{"queryParams": [{"name": "a", "value": "b"}]}]), false),
    ] {
        let said = with_route("/spec/rules/0/matches", matches.clone()).registration(NAME, "Accepted");
        assert_eq!(said.starts_with("True"), takes, "{matches}: {said}");
        assert!(
            takes
                || said.starts_with(&format!(
                    "False PathNotRouted: HTTPRoute {ROUTE} does not take all requests for /mcp;"
                )),
            "{said}"
        );
    }
}

#[test]
fn a_path_or_prefix_that_cannot_be_is_refused() {
    for path in ["mcp", "/m cp", "/mcp?x", "/mcp#x", ""] {
        let said = with_registration("/spec/path", json!(path)).registration(NAME, "Accepted");
        assert!(said.starts_with("False Invalid: spec.path"), "{said}");
    }
    let said = with_registration("/spec/toolPrefix", json!("GitHub_")).registration(NAME, "Accepted");
    assert!(said.starts_with("False Invalid: spec.toolPrefix"), "{said}");
}

#[test]
fn a_route_needs_a_hostname_that_the_router_can_name() {
    for hostnames in [json!([]), json!(["*.mcp.local"])] {
        let said = with_route("/spec/hostnames", hostnames).registration(NAME, "Accepted");
        assert!(
            said.starts_with(&format!(
                "False NoHostname: HTTPRoute {ROUTE} has no hostname without wildcard"
            )),
            "{said}"
        );
    }
    let world = with_route(
        "/spec/hostnames",
        json!(["*.mcp.local", "elsewhere.org", "GitHub.mcp.local", "b.mcp.local"]),
    );
    assert_eq!(world.servers(), ["mcp-test/github github.mcp.local https://api.githubcopilot.com/mcp"]);
}

#[test]
fn a_disabled_registration_says_so_and_its_server_is_told_disabled() {
    let mut world = with_registration("/spec/state", json!("Disabled"));
    world.settle_well();
    assert_eq!(world.servers().len(), 1);
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
    assert_eq!(
        world.registration(NAME, "Ready"),
        "False Disabled: its tools are not offered; set spec.state to Enabled"
    );
    assert_eq!(world.get(Kind::Registration, NAME).unwrap()["status"].get("discoveredTools"), None);
}

#[test]
fn what_the_gateways_controller_could_not_resolve_is_passed_on() {
    for (reason, ours) in [
        ("RefNotPermitted", "RefNotPermitted"),
        ("BackendNotFound", "BackendNotFound"),
        ("InvalidKind", "UnsupportedBackend"),
        ("Other", "RouteNotResolved"),
    ] {
        let mut world = World::guide();
        let conditions = json!([
            {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""},
            {"type": "ResolvedRefs", "status": "False", "reason": reason, "message": "said Istio"},
        ]);
        world.set(Kind::HttpRoute, ROUTE, "/status/parents/0/conditions", conditions);
        let said = world.registration(NAME, "ResolvedRefs");
        assert!(
            said.starts_with(&format!(
                "False {ours}: HTTPRoute {ROUTE} has an unresolved reference ({reason}: said Istio)"
            )),
            "{said}"
        );
        assert_eq!(world.servers(), [""; 0]);
        assert!(world.registration(NAME, "Programmed").starts_with("False NotResolved"));
    }
}
