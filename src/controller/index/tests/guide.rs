//! The guide to an external server: what its objects come to, in any order.

use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::world::{World, documents, key, secret};
use crate::controller::object::Kind;

/// Gateway, data plane and extension.
pub(super) const INSTALLED: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: mcp-system, labels: {team: gateway}}
---
apiVersion: v1
kind: Namespace
metadata: {name: mcp-test, labels: {team: tools}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: mcp-gateway, namespace: gateway-system}
spec:
  gatewayClassName: istio
  listeners:
  - {name: mcp, port: 8080, protocol: HTTP, hostname: mcp.example.com, allowedRoutes: {namespaces: {from: All}}}
  - {name: mcps, port: 8080, protocol: HTTP, hostname: "*.mcp.local", allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: mcp-system, namespace: gateway-system}
spec:
  from: [{group: mcp.kagenti.com, kind: MCPGatewayExtension, namespace: mcp-system}]
  to: [{group: gateway.networking.k8s.io, kind: Gateway}]
---
apiVersion: v1
kind: Service
metadata: {name: mcp-broker-router, namespace: mcp-system}
spec:
  ports:
  - {name: http, port: 8080}
  - {name: grpc, port: 50051}
---
apiVersion: mcp.kagenti.com/v1alpha1
kind: MCPGatewayExtension
metadata: {name: gateway, namespace: mcp-system}
spec:
  targetRef: {name: mcp-gateway, namespace: gateway-system, sectionName: mcp}
"#;

/// What the guide adds.
pub(super) const GITHUB: &str = r"
apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata: {name: github-mcp-external, namespace: mcp-test}
spec:
  hosts: [api.githubcopilot.com]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  location: MESH_EXTERNAL
  resolution: DNS
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: github-mcp-external, namespace: mcp-test}
spec:
  host: api.githubcopilot.com
  trafficPolicy: {tls: {mode: SIMPLE, sni: api.githubcopilot.com}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: github-mcp-external, namespace: mcp-test}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: mcp-gateway, namespace: gateway-system}]
  hostnames: [github.mcp.local]
  rules:
  - matches: [{path: {type: PathPrefix, value: /mcp}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: api.githubcopilot.com}}]
    backendRefs: [{name: api.githubcopilot.com, kind: Hostname, group: networking.istio.io, port: 443}]
---
apiVersion: mcp.kagenti.com/v1alpha1
kind: MCPServerRegistration
metadata: {name: github, namespace: mcp-test}
spec:
  toolPrefix: github_
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: github-mcp-external}
  credentialRef: {name: github-token, key: token}
";

pub(super) const NAME: &str = "mcp-test/github";

impl World {
    /// Everything of the guide, before anything was written.
    pub(super) fn guide() -> Self {
        let mut world = Self::new();
        world.apply(INSTALLED);
        world.apply(GITHUB);
        world.put(secret("mcp-test/github-token", "Bearer ghp_hunter2"));
        world
    }

    /// A server in the cluster: Service, `HTTPRoute` and registration, all with the name.
    pub(super) fn server(&mut self, name: &str, prefix: &str) {
        let (namespace, short) = name.split_once('/').unwrap();
        self.apply(&format!(
            r#"
apiVersion: v1
kind: Service
metadata: {{name: {short}, namespace: {namespace}}}
spec: {{ports: [{{name: http, port: 9090}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {short}, namespace: {namespace}}}
spec:
  parentRefs: [{{name: mcp-gateway, namespace: gateway-system}}]
  hostnames: [{short}.mcp.local]
  rules: [{{backendRefs: [{{name: {short}, port: 9090}}]}}]
---
apiVersion: mcp.kagenti.com/v1alpha1
kind: MCPServerRegistration
metadata: {{name: {short}, namespace: {namespace}}}
spec: {{toolPrefix: "{prefix}", targetRef: {{name: {short}}}}}
"#
        ));
    }
}

#[test]
fn the_guide_comes_to_a_ready_server_and_a_warning() {
    let mut world = World::guide();
    world.settle_well();
    assert_eq!(world.servers(), ["mcp-test/github github.mcp.local https://api.githubcopilot.com/mcp"]);
    assert_eq!(world.registration(NAME, "Accepted"), "True Accepted: attached to a gateway");
    assert_eq!(world.registration(NAME, "ResolvedRefs"), "True ResolvedRefs: all references are resolved");
    assert_eq!(
        world.registration(NAME, "Programmed"),
        "True Programmed: seen through the Gateway by mcp-system/gateway"
    );
    assert_eq!(world.registration(NAME, "Ready"), "True Ready: 3 tools");
    assert_eq!(
        world.registration(NAME, "Warnings"),
        "True HostNameNotVerified: DestinationRule mcp-test/github-mcp-external has sni without \
         subjectAltNames: a certificate for any name passes for api.githubcopilot.com; add subjectAltNames \
         [api.githubcopilot.com]"
    );
    let status = &world.get(Kind::Registration, NAME).unwrap()["status"];
    assert_eq!((&status["discoveredTools"], &status["protocolRevision"]), (&json!(3), &json!("2025-06-18")));
    assert_eq!(world.extension("Ready"), "True Ready: serves /mcp of mcp.example.com");
    assert_eq!(world.extension("Warnings"), "False NoWarnings: ");
}

#[test]
fn nothing_is_written_twice() {
    let mut world = World::guide();
    let first = world.settle();
    let expected = [
        "generate mcp-system/mcp-gateway-session-key",
        "apply Report mcp-system/mcp-gateway-status",
        "apply OwnSecret mcp-system/mcp-gateway-config",
        "apply HttpRoute mcp-system/mcp-gateway-route",
        "apply EnvoyFilter gateway-system/mcp-gateway-mcp-system-gateway",
        "status Extension mcp-system/gateway",
        "status Registration mcp-test/github",
        // the second time with what the first round has made
        "status Extension mcp-system/gateway",
    ];
    assert_eq!(first, expected);
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn deleting_the_registration_takes_the_server_away() {
    let mut world = World::guide();
    world.settle_well();
    world.delete(Kind::Registration, NAME);
    assert_eq!(world.servers(), [""; 0]);
    let done = world.settle();
    assert_eq!(
        done.first().map(String::as_str),
        Some("apply OwnSecret mcp-system/mcp-gateway-config"),
        "{done:?}"
    );
}

#[test]
fn an_object_that_is_being_deleted_is_gone() {
    let mut world = World::guide();
    world.set(
        Kind::HttpRoute,
        "mcp-test/github-mcp-external",
        "/metadata/deletionTimestamp",
        json!("2026-11-22T09:00:00Z"),
    );
    assert!(world.registration(NAME, "ResolvedRefs").starts_with("False RouteNotFound: "));
}

#[test]
fn a_transition_keeps_its_time_until_the_status_changes() {
    let mut world = World::guide();
    world.settle_well();
    world.now = "2027-01-01T00:00:00Z";
    world.report("pod-1", |report| report.servers.values_mut().for_each(|server| server.tools = 4));
    assert_eq!(world.registration(NAME, "Ready"), "True Ready: 4 tools");
    let times = |world: &World| -> Vec<String> {
        let status = &world.get(Kind::Registration, NAME).unwrap()["status"];
        let conditions = status["conditions"].as_array().unwrap().iter();
        conditions.map(|it| it["lastTransitionTime"].as_str().unwrap().get(..4).unwrap().to_owned()).collect()
    };
    assert_eq!(times(&world), ["2026"; 5]);
    world.report("pod-1", |report| report.servers.values_mut().for_each(|server| server.reachable = false));
    world.settle();
    assert_eq!(times(&world), ["2026", "2026", "2026", "2027", "2026"]);
}

#[test]
fn a_status_is_of_the_generation_that_it_is_about() {
    let mut world = World::guide();
    world.settle_well();
    world.set(Kind::Registration, NAME, "/metadata/generation", json!(7));
    assert_eq!(world.settle(), ["status Registration mcp-test/github"]);
    let status = &world.get(Kind::Registration, NAME).unwrap()["status"];
    assert_eq!(status["conditions"][0]["observedGeneration"], json!(7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        order in Just((0..13_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in select(vec![0_usize, 3, 7, 11]),
    ) {
        let mut expected = World::guide();
        expected.server("mcp-test/time", "github_");
        expected.settle_well();
        let mut other = World::new();
        let mut objects = documents(INSTALLED);
        objects.extend(documents(GITHUB));
        objects.push(secret("mcp-test/github-token", "Bearer ghp_hunter2"));
        prop_assert_eq!(objects.len(), 11);
        for at in order.iter().chain([&again]) {
            match objects.get(*at) {
                Some(object) => other.put(object.clone()),
                None if *at == 11 => other.server("mcp-test/time", "github_"),
                None => drop(other.settle()),
            }
        }
        other.settle_well();
        for kind in Kind::ALL {
            prop_assert_eq!(expected.keys(kind), other.keys(kind));
            for name in expected.keys(kind) {
                prop_assert_eq!(expected.get(kind, &name), other.get(kind, &name), "{}", key(&name));
            }
        }
    }
}
