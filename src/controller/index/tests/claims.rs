//! Who has a host and a prefix.

use serde_json::json;

use super::super::{claim::Load, extension, registration, seen::Seen};
use super::{guide::NAME, world::World};
use crate::controller::object::Kind;

fn created(world: &mut World, name: &str, time: &str) {
    world.set(Kind::Registration, name, "/metadata/creationTimestamp", json!(time));
}

/// Another route for the host of the guide.
fn rival(world: &mut World, namespace: &str, hostname: &str) {
    world.apply(&format!(
        r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: rival, namespace: {namespace}}}
spec:
  parentRefs: [{{name: mcp-gateway, namespace: gateway-system}}]
  hostnames: ["{hostname}"]
  rules: [{{backendRefs: [{{name: rival, port: 80}}]}}]
"#
    ));
}

#[test]
fn a_host_that_another_namespace_claims_is_refused() {
    for hostname in ["github.mcp.local", "GITHUB.mcp.local"] {
        let mut world = World::guide();
        rival(&mut world, "evil", hostname);
        assert_eq!(
            world.registration(NAME, "Accepted"),
            "False HostConflict: MCPGatewayExtension mcp-system/gateway: HTTPRoutes \
             mcp-test/github-mcp-external and evil/rival of different namespaces both claim \
             github.mcp.local on Gateway gateway-system/mcp-gateway; choose another hostname"
        );
        assert_eq!(world.servers(), [""; 0]);
        world.delete(Kind::HttpRoute, "evil/rival");
        assert!(world.registration(NAME, "Accepted").starts_with("True"));
    }
}

#[test]
fn a_route_without_hostnames_claims_those_of_its_listener() {
    let mut world = World::guide();
    world.set(
        Kind::Gateway,
        "gateway-system/mcp-gateway",
        "/spec/listeners/1/hostname",
        json!("github.mcp.local"),
    );
    rival(&mut world, "evil", "*.mcp.local");
    assert!(world.registration(NAME, "Accepted").starts_with("False HostConflict"));
    world.set(Kind::HttpRoute, "evil/rival", "/spec/hostnames", json!([]));
    assert!(world.registration(NAME, "Accepted").starts_with("False HostConflict"));
}

#[test]
fn routes_that_are_no_rivals_do_no_harm() {
    for (namespace, hostname) in
        [("mcp-test", "github.mcp.local"), ("evil", "*.mcp.local"), ("evil", "other.mcp.local")]
    {
        let mut world = World::guide();
        rival(&mut world, namespace, hostname);
        assert!(world.registration(NAME, "Accepted").starts_with("True"), "{namespace} {hostname}");
    }
    let mut world = World::guide();
    rival(&mut world, "evil", "github.mcp.local");
    world.set(Kind::HttpRoute, "evil/rival", "/status", json!({"parents": []}));
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
}

#[test]
fn the_public_host_is_no_servers_host() {
    let mut world = World::guide();
    world.set(Kind::HttpRoute, "mcp-test/github-mcp-external", "/spec/hostnames", json!(["mcp.example.com"]));
    // without its route on the same host the namespaces do not clash, and the public host alone counts
    world.set(Kind::Extension, "mcp-system/gateway", "/spec/httpRouteManagement", json!("Disabled"));
    let said = world.registration(NAME, "Accepted");
    assert!(
        said.starts_with("False HostConflict: ") && said.contains("mcp.example.com is the public host of"),
        "{said}"
    );
}

#[test]
fn of_two_registrations_of_a_host_the_older_has_it() {
    let mut world = World::guide();
    world.server("mcp-test/time", "time_");
    world.set(Kind::Registration, "mcp-test/time", "/spec/targetRef/name", json!("github-mcp-external"));
    created(&mut world, "mcp-test/time", "2025-12-31T00:00:00Z");
    let said = world.registration(NAME, "Accepted");
    assert!(
        said.starts_with("False HostConflict: ")
            && said.contains("older MCPServerRegistration mcp-test/time"),
        "{said}"
    );
    assert!(world.registration("mcp-test/time", "Accepted").starts_with("True"));
    created(&mut world, "mcp-test/time", "2026-01-02T00:00:00Z");
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
    assert!(world.registration("mcp-test/time", "Accepted").starts_with("False HostConflict"));
}

#[test]
fn of_two_equal_prefixes_the_older_has_it_and_of_the_same_age_the_first_name() {
    let mut world = World::guide();
    world.server("mcp-test/a", "github_");
    let said = world.registration(NAME, "Accepted");
    assert!(
        said.ends_with(
            "the older MCPServerRegistration mcp-test/a has the toolPrefix \"github_\", and prefixes do not change: delete one of the two and create it with another"
        ),
        "{said}"
    );
    created(&mut world, "mcp-test/a", "2026-01-01T00:00:01Z");
    assert!(world.registration(NAME, "Accepted").starts_with("True"));
    assert!(world.registration("mcp-test/a", "Accepted").starts_with("False PrefixConflict"));
}

#[test]
fn no_prefix_is_no_conflict() {
    let mut world = World::guide();
    world.server("mcp-test/a", "");
    world.server("mcp-test/b", "");
    assert_eq!(world.servers().len(), 3);
}

#[test]
fn a_disabled_or_unresolved_registration_keeps_its_claims() {
    let mut world = World::guide();
    world.server("mcp-test/zulu", "github_");
    world.set(Kind::Registration, NAME, "/spec/state", json!("Disabled"));
    assert!(world.registration("mcp-test/zulu", "Accepted").starts_with("False PrefixConflict"));
    world.delete(Kind::CredentialSecret, "mcp-test/github-token");
    assert!(world.registration("mcp-test/zulu", "Accepted").starts_with("False PrefixConflict"));
    world.delete(Kind::Registration, NAME);
    assert!(world.registration("mcp-test/zulu", "Accepted").starts_with("True"));
}

#[test]
fn a_registration_that_is_renamed_takes_its_place() {
    let mut world = World::guide();
    world.settle_well();
    let mut renamed = world.get(Kind::Registration, NAME).unwrap().clone();
    renamed["metadata"]["name"] = json!("gh");
    renamed["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
    renamed.as_object_mut().unwrap().remove("status");
    world.put(renamed);
    assert!(world.registration("mcp-test/gh", "Accepted").starts_with("False HostConflict"));
    world.delete(Kind::Registration, NAME);
    world.settle_well();
    assert_eq!(world.servers(), ["mcp-test/gh github.mcp.local https://api.githubcopilot.com/mcp"]);
    assert_eq!(world.registration("mcp-test/gh", "Ready"), "True Ready: 3 tools");
}

#[test]
fn servers_are_told_the_oldest_first() {
    let mut world = World::guide();
    world.server("mcp-test/a", "a_");
    world.server("a/z", "z_");
    created(&mut world, "mcp-test/a", "2026-01-02T00:00:00Z");
    let names: Vec<_> = world.servers().iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["a/z", "mcp-test/github", "mcp-test/a"]);
}

#[test]
fn what_does_not_fit_is_refused_the_younger_first() {
    let mut world = World::guide();
    world.server("mcp-test/young", "young_");
    created(&mut world, "mcp-test/young", "2026-01-02T00:00:00Z");
    let refused = |most: Load| -> Vec<String> {
        let seen = Seen::of(&world.index.cluster);
        let extensions = extension::all(&world.index.settings, &seen);
        let all = registration::within(most, &world.index.settings, &seen, &extensions);
        let findings = all.into_iter().filter_map(|it| Some((it.key, it.accepted.err()?)));
        findings.map(|(key, finding)| format!("{key} {}: {}", finding.reason, finding.message)).collect()
    };
    let message = "mcp-test/young TooMany: MCPGatewayExtension mcp-system/gateway: the gateway is full \
                   with 1 older registrations; delete some, or use a second Gateway";
    assert_eq!(refused(Load { servers: 2, ..Load::MOST }), [""; 0]);
    assert_eq!(refused(Load { servers: 1, ..Load::MOST }), [message]);
    assert_eq!(refused(Load { bytes: 500, ..Load::MOST }), [message]);
}
