//! Where a server is, and whether the way there is safe.

use serde_json::{Value, json};

use super::{guide::NAME, world::World};
use crate::controller::object::Kind;

const ROUTE: &str = "mcp-test/github-mcp-external";
const ENTRY: &str = "mcp-test/github-mcp-external";

/// The registration of a server in the cluster, `mcp-test/time`, whose Service has `spec`.
fn service(spec: Value) -> World {
    let mut world = World::guide();
    world.server("mcp-test/time", "");
    let port = spec["ports"][0]["port"].clone();
    world.set(Kind::Service, "mcp-test/time", "/spec", spec);
    if !port.is_null() {
        world.set(Kind::HttpRoute, "mcp-test/time", "/spec/rules/0/backendRefs/0/port", port);
    }
    world
}

fn backend(value: Value) -> World {
    let mut world = World::guide();
    world.set(Kind::HttpRoute, ROUTE, "/spec/rules/0/backendRefs/0", value);
    world
}

#[test]
fn a_service_is_reached_by_its_name_and_its_port_says_whether_over_tls() {
    for (port, url) in [
        (json!({"name": "http", "port": 9090}), "http://time.mcp-test.svc.cluster.local:9090/mcp"),
        (json!({"name": "https", "port": 9090}), "https://time.mcp-test.svc.cluster.local:9090/mcp"),
        (json!({"name": "https-mcp", "port": 9090}), "https://time.mcp-test.svc.cluster.local:9090/mcp"),
        (json!({"name": "httpsx", "port": 9090}), "http://time.mcp-test.svc.cluster.local:9090/mcp"),
        (
            json!({"name": "a", "appProtocol": "HTTPS", "port": 9090}),
            "https://time.mcp-test.svc.cluster.local:9090/mcp",
        ),
        (
            json!({"name": "https", "appProtocol": "http", "port": 9090}),
            "http://time.mcp-test.svc.cluster.local:9090/mcp",
        ),
        (json!({"name": "a", "port": 443}), "https://time.mcp-test.svc.cluster.local/mcp"),
        (json!({"name": "a", "port": 80}), "http://time.mcp-test.svc.cluster.local/mcp"),
    ] {
        let world = service(json!({"ports": [port]}));
        assert!(
            world.servers().contains(&format!("mcp-test/time time.mcp.local {url}")),
            "{:?}",
            world.servers()
        );
    }
}

#[test]
fn a_service_or_port_that_is_missing_is_named() {
    let mut world = service(json!({"ports": [{"name": "http", "port": 1}]}));
    world.set(Kind::HttpRoute, "mcp-test/time", "/spec/rules/0/backendRefs/0/port", json!(2));
    assert_eq!(
        world.registration("mcp-test/time", "ResolvedRefs"),
        "False BackendNotFound: Service mcp-test/time has no port 2; correct the backendRef of the HTTPRoute"
    );
    world.delete(Kind::Service, "mcp-test/time");
    let said = world.registration("mcp-test/time", "ResolvedRefs");
    assert!(said.starts_with("False BackendNotFound: Service mcp-test/time does not exist"), "{said}");
    assert_eq!(world.servers().len(), 1);
}

#[test]
fn a_service_of_another_namespace_needs_a_grant_there() {
    let mut world = service(json!({"ports": [{"name": "http", "port": 9090}]}));
    world.server("other/time", "other_");
    let reference = json!({"name": "time", "namespace": "other", "port": 9090});
    world.delete(Kind::Registration, "other/time");
    world.delete(Kind::HttpRoute, "other/time");
    world.set(Kind::HttpRoute, "mcp-test/time", "/spec/rules/0/backendRefs/0", reference);
    let said = world.registration("mcp-test/time", "ResolvedRefs");
    assert!(said.starts_with("False RefNotPermitted: Service other/time is in another namespace"), "{said}");
    world.apply(
        r#"
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: mcp-test}]
  to: [{group: "", kind: Service}]
"#,
    );
    assert!(world.registration("mcp-test/time", "ResolvedRefs").starts_with("True"));
    let url = "mcp-test/time time.mcp.local http://time.other.svc.cluster.local:9090/mcp".to_owned();
    assert!(world.servers().contains(&url));
}

#[test]
fn an_external_name_leads_out_of_the_cluster() {
    let spec = |port: u16| json!({"type": "ExternalName", "externalName": "api.example.com.", "ports": [{"port": port}]});
    let mut world = service(spec(443));
    let url = "mcp-test/time time.mcp.local https://api.example.com/mcp".to_owned();
    assert!(world.servers().contains(&url), "{:?}", world.servers());
    let said = world.registration("mcp-test/time", "Warnings");
    assert!(
        said.starts_with("True BackendNotFound: no ServiceEntry makes api.example.com known to Istio"),
        "{said}"
    );
    world.set(Kind::ServiceEntry, ENTRY, "/spec/hosts", json!(["api.githubcopilot.com", "api.example.com"]));
    let said = world.registration("mcp-test/time", "Warnings");
    assert!(
        said.starts_with("True Plaintext: no DestinationRule makes Envoy use TLS to api.example.com"),
        "{said}"
    );
}

#[test]
fn other_backends_are_refused() {
    for (value, message) in [
        (
            json!({"name": "x", "group": "inference.networking.k8s.io", "kind": "InferencePool", "port": 1}),
            "use a Service, or kind Hostname",
        ),
        (json!({"name": "x"}), "has no port; add it"),
    ] {
        let said = backend(value).registration(NAME, "ResolvedRefs");
        assert!(
            said.starts_with("False UnsupportedBackend: backendRef x") && said.contains(message),
            "{said}"
        );
    }
}

#[test]
fn a_service_entry_can_be_named_itself() {
    let world = backend(
        json!({"name": "github-mcp-external", "group": "networking.istio.io", "kind": "ServiceEntry", "port": 443}),
    );
    assert_eq!(world.servers(), ["mcp-test/github github.mcp.local https://api.githubcopilot.com/mcp"]);
    let mut world =
        backend(json!({"name": "gone", "group": "networking.istio.io", "kind": "ServiceEntry", "port": 443}));
    let said = world.registration(NAME, "ResolvedRefs");
    assert!(said.starts_with("False BackendNotFound: ServiceEntry mcp-test/gone does not exist"), "{said}");
}

#[test]
fn an_external_host_must_be_known_where_it_is_used() {
    for (pointer, value, known) in [
        ("/spec/hosts", json!(["*.githubcopilot.com"]), true),
        ("/spec/hosts", json!(["API.githubcopilot.com"]), true),
        ("/spec/hosts", json!(["other.com"]), false),
        ("/spec/ports/0/number", json!(8443), false),
        ("/spec/exportTo", json!(["*"]), true),
        ("/spec/exportTo", json!([".", "gateway-system"]), true),
        ("/spec/exportTo", json!(["."]), false),
        ("/spec/exportTo", json!(["gateway-system"]), false),
    ] {
        let mut world = World::guide();
        world.set(Kind::ServiceEntry, ENTRY, pointer, value.clone());
        let said = world.registration(NAME, "ResolvedRefs");
        assert_eq!(said.starts_with("True"), known, "{pointer} {value}: {said}");
        assert!(known || said.starts_with("False BackendNotFound: "), "{said}");
    }
    let mut world = World::guide();
    world.delete(Kind::ServiceEntry, ENTRY);
    assert_eq!(
        world.registration(NAME, "ResolvedRefs"),
        "False BackendNotFound: no ServiceEntry makes api.githubcopilot.com known to Istio; create one in \
         namespace mcp-test, with port 443"
    );
}

#[test]
fn a_credential_never_goes_where_it_could_be_read_or_taken() {
    let tls = "/spec/trafficPolicy/tls";
    let ours = [
        (tls, json!(null), "Plaintext"),
        (tls, json!({"mode": "DISABLE"}), "Plaintext"),
        ("/spec/host", json!("other.com"), "Plaintext"),
        ("/spec/exportTo", json!(["."]), "Plaintext"),
        ("/spec/trafficPolicy/portLevelSettings", json!([{"port": {"number": 443}}]), "Plaintext"),
        (tls, json!({"mode": "SIMPLE", "insecureSkipVerify": true}), "CertificateNotVerified"),
    ];
    for (pointer, value, reason) in ours {
        let mut world = World::guide();
        world.set(Kind::DestinationRule, ENTRY, pointer, value.clone());
        let said = world.registration(NAME, "Programmed");
        assert!(said.starts_with(&format!("False {reason}: ")), "{pointer} {value}: {said}");
        assert!(world.registration(NAME, "Ready").starts_with(&format!("False {reason}: ")));
        assert!(world.registration(NAME, "Accepted").starts_with("True"));
        assert_eq!(world.servers(), [""; 0]);
        // without a credential there is nothing to lose: it works, with a warning
        world.set(Kind::Registration, NAME, "/spec/credentialRef", json!(null));
        assert!(world.registration(NAME, "Warnings").starts_with(&format!("True {reason}: ")));
        assert_eq!(world.servers().len(), 1);
    }
}

#[test]
fn a_rule_counts_in_the_namespaces_of_route_and_gateway_and_in_istios() {
    for (namespace, counts) in [("gateway-system", true), ("istio-system", true), ("elsewhere", false)] {
        let mut world = World::guide();
        let mut rule = world.get(Kind::DestinationRule, ENTRY).unwrap().clone();
        world.delete(Kind::DestinationRule, ENTRY);
        rule["metadata"]["namespace"] = json!(namespace);
        world.put(rule);
        let said = world.registration(NAME, "Programmed");
        assert_eq!(!said.starts_with("False Plaintext"), counts, "{namespace}: {said}");
        let misplaced = "DestinationRule elsewhere/github-mcp-external does not count for Gateways of \
                         namespace gateway-system";
        assert!(counts || said.contains(misplaced), "{said}");
    }
}

#[test]
fn a_verified_host_name_is_no_warning() {
    let names = json!(["api.githubcopilot.com"]);
    for (kind, pointer, value) in [
        (Kind::DestinationRule, "/spec/trafficPolicy/tls/subjectAltNames", names.clone()),
        (Kind::DestinationRule, "/spec/trafficPolicy/tls/sni", json!(null)),
        (Kind::ServiceEntry, "/spec/subjectAltNames", names.clone()),
        (
            Kind::DestinationRule,
            "/spec/trafficPolicy/portLevelSettings",
            json!([{"port": {"number": 443}, "tls": {"mode": "SIMPLE", "sni": "a", "subjectAltNames": names}}]),
        ),
    ] {
        let mut world = World::guide();
        world.set(kind, ENTRY, pointer, value);
        assert_eq!(world.registration(NAME, "Warnings"), "False NoWarnings: ", "{pointer}");
    }
}

#[test]
fn a_port_without_tls_is_a_warning_where_a_credential_goes_there() {
    let mut world = World::guide();
    world.set(
        Kind::ServiceEntry,
        ENTRY,
        "/spec/ports/0",
        json!({"number": 80, "name": "http", "protocol": "HTTP"}),
    );
    world.set(Kind::HttpRoute, ROUTE, "/spec/rules/0/backendRefs/0/port", json!(80));
    assert_eq!(
        world.registration(NAME, "Warnings"),
        "True Plaintext: api.githubcopilot.com:80 is not encrypted; use a port with TLS"
    );
    assert_eq!(world.servers(), ["mcp-test/github github.mcp.local http://api.githubcopilot.com/mcp"]);
    world.set(Kind::Registration, NAME, "/spec/credentialRef", json!(null));
    assert_eq!(world.registration(NAME, "Warnings"), "False NoWarnings: ");
}

#[test]
fn an_external_server_should_see_its_own_host() {
    let mut world = World::guide();
    world.set(Kind::HttpRoute, ROUTE, "/spec/rules/0/filters", json!([]));
    let said = world.registration(NAME, "Warnings");
    assert!(
        said.contains(
            "HTTPRoute mcp-test/github-mcp-external sends calls to api.githubcopilot.com with Host \
             github.mcp.local; add a filter URLRewrite with hostname api.githubcopilot.com"
        ),
        "{said}"
    );
}

#[test]
fn a_host_that_an_older_entry_of_another_namespace_defines_gets_no_credential() {
    let foreign = |namespace: &str, created: &str, host: &str, export: Value| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
               "metadata": {"name": "mine", "namespace": namespace, "creationTimestamp": created},
               "spec": {"hosts": [host], "exportTo": export, "resolution": "STATIC",
                        "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}]}})
    };
    let (old, new) = ("2001-01-01T00:00:00Z", "2031-01-01T00:00:00Z");
    for host in ["api.githubcopilot.com", "API.GitHubCopilot.com", "*.githubcopilot.com"] {
        for namespace in ["evil", "zevil"] {
            let mut world = World::guide();
            world.put(foreign(namespace, old, host, json!(["*"])));
            let said = world.registration(NAME, "Programmed");
            assert!(
                said.starts_with(&format!("False HostContested: ServiceEntry {namespace}/mine")),
                "{host}: {said}"
            );
            assert_eq!(world.servers(), [""; 0]);

            let mut world = World::guide();
            world.put(foreign(namespace, new, host, json!([])));
            assert_eq!(world.servers().len(), 1, "{host}: of several the oldest counts");
            let said = world.registration(NAME, "Warnings");
            assert!(said.starts_with("True HostContested"), "{said}");
        }
    }
    for (namespace, export) in [
        ("evil", json!(["."])),
        ("evil", json!(["evil", "mcp-test"])),
        ("gateway-system", json!(["."])),
        ("mcp-test", json!(["gateway-system"])),
    ] {
        let mut world = World::guide();
        world.put(foreign(namespace, new, "api.githubcopilot.com", export.clone()));
        assert_eq!(world.servers().len(), 1, "{namespace} {export}");
    }
}

#[test]
fn a_certificate_for_another_name_gets_no_credential() {
    let mut world = World::guide();
    let tls = json!({"mode": "SIMPLE", "sni": "evil.example.com", "subjectAltNames": ["evil.example.com"]});
    world.set(Kind::DestinationRule, ENTRY, "/spec/trafficPolicy/tls", tls);
    let said = world.registration(NAME, "Programmed");
    assert!(said.starts_with("False CertificateNotVerified"), "{said}");
    let tls = json!({"mode": "SIMPLE", "sni": "x", "subjectAltNames": ["*.githubcopilot.com"]});
    world.set(Kind::DestinationRule, ENTRY, "/spec/trafficPolicy/tls", tls);
    assert_eq!(world.servers().len(), 1);
}
