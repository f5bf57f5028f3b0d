//! What the `EnvoyFilter` is told of hosts and servers.

use serde_json::{Value, json};

use super::{
    super::{desired, extension, registration, seen::Seen},
    guide::NAME,
    world::World,
};
use crate::controller::{
    object::Kind,
    own::{Attachment, CallRoute, External, ServerHost},
};

const ENTRY: &str = "mcp-test/github-mcp-external";
const ROUTE: &str = ENTRY;

fn attachment(world: &World) -> Attachment {
    let (settings, seen) = (&world.index.settings, Seen::of(&world.index.cluster));
    let extensions = extension::all(settings, &seen);
    let registrations = registration::all(settings, &seen, &extensions);
    let place = extensions[0].place.as_ref().unwrap();
    desired::attachment(settings, &seen, 0, &extensions[0], place, &registrations)
}

fn plain(world: &World) -> Option<(String, u16)> {
    attachment(world).servers.remove(0).external.unwrap().plain_service
}

#[test]
fn it_names_the_public_host_and_every_server() {
    let mut world = World::guide();
    world.server("mcp-test/time", "");
    let github = Some(("api.githubcopilot.com".to_owned(), 443));
    let host = |server: &str, hostname: &str, external, backend: (&str, u16)| ServerHost {
        server: server.to_owned(),
        virtual_hosts: vec![format!("{hostname}:8080")],
        external,
        call: Some(CallRoute {
            virtual_host: format!("{hostname}:8080"),
            host: backend.0.to_owned(),
            port: backend.1,
            rewritten_host: (server == NAME).then(|| backend.0.to_owned()),
        }),
    };
    let expected = Attachment {
        gateway: super::world::key("gateway-system/mcp-gateway"),
        port: 8080,
        listener_port: 8080,
        service_host: "mcp-broker-router.mcp-system.svc.cluster.local".to_owned(),
        name: "mcp-gateway-mcp-system-gateway".to_owned(),
        body_limit: 4 << 20,
        is_broker_first: true,
        public_hosts: vec!["mcp.example.com".to_owned()],
        servers: vec![
            host(
                NAME,
                "github.mcp.local",
                Some(External { plain_service: github }),
                ("api.githubcopilot.com", 443),
            ),
            host("mcp-test/time", "time.mcp.local", None, ("time.mcp-test.svc.cluster.local", 9090)),
        ],
    };
    assert_eq!(attachment(&world), expected);
}

#[test]
fn a_host_that_only_a_wildcard_brings_is_not_named() {
    let mut world = World::guide();
    world.set(Kind::Extension, "mcp-system/gateway", "/spec/httpRouteManagement", json!("Disabled"));
    assert_eq!(attachment(&world).public_hosts, [""; 0]);
    world.server("mcp-system/front", "");
    world.set(Kind::HttpRoute, "mcp-system/front", "/spec/hostnames", json!(["mcp.example.com"]));
    assert_eq!(attachment(&world).public_hosts, ["mcp.example.com"]);
}

#[test]
fn a_service_is_plain_where_nobody_shapes_its_connections() {
    assert_eq!(plain(&World::guide()), Some(("api.githubcopilot.com".to_owned(), 443)));
    let pool = json!({"http": {"h2UpgradePolicy": "UPGRADE"}});
    for (kind, pointer, value) in [
        (Kind::DestinationRule, "/spec/trafficPolicy/connectionPool", pool.clone()),
        (
            Kind::DestinationRule,
            "/spec/trafficPolicy/portLevelSettings",
            json!([{"port": {"number": 443}, "connectionPool": pool, "tls": {"mode": "SIMPLE"}}]),
        ),
        (Kind::ServiceEntry, "/spec/ports/0", json!({"number": 443, "name": "h2", "protocol": "HTTP2"})),
        (Kind::ServiceEntry, "/spec/ports/0", json!({"number": 443, "name": "grpc", "protocol": "grpc"})),
    ] {
        let mut world = World::guide();
        world.set(kind, ENTRY, pointer, value);
        assert_eq!(plain(&world), None, "{pointer}");
    }
}

#[test]
fn a_refused_server_is_not_on_the_filter() {
    let mut world = World::guide();
    world.set(Kind::Registration, NAME, "/spec/path", Value::from("mcp"));
    assert_eq!(attachment(&world).servers, []);
}

#[test]
fn every_port_and_host_that_leads_to_a_server_is_guarded() {
    let mut world = World::guide();
    let hosts = |world: &World| attachment(world).servers.remove(0).virtual_hosts;
    world.set(
        Kind::HttpRoute,
        ROUTE,
        "/spec/hostnames",
        json!(["github.mcp.local", "also.mcp.local", "*.gh.mcp.local"]),
    );
    assert_eq!(hosts(&world), ["*.gh.mcp.local:8080", "also.mcp.local:8080", "github.mcp.local:8080"]);
    let more = json!({"name": "more", "port": 8081, "protocol": "HTTP", "hostname": "*.mcp.local",
                      "allowedRoutes": {"namespaces": {"from": "All"}}});
    let mut gateway = world.get(Kind::Gateway, "gateway-system/mcp-gateway").unwrap().clone();
    gateway["spec"]["listeners"].as_array_mut().unwrap().push(more);
    world.put(gateway);
    world.set(Kind::HttpRoute, ROUTE, "/spec/hostnames", json!(["github.mcp.local", "also.mcp.local"]));
    assert_eq!(
        hosts(&world),
        ["also.mcp.local:8080", "also.mcp.local:8081", "github.mcp.local:8080", "github.mcp.local:8081"]
    );
    // a host that another route has, too, cannot be closed for both
    world.server("mcp-test/time", "");
    world.set(
        Kind::HttpRoute,
        "mcp-test/time",
        "/spec/hostnames",
        json!(["time.mcp.local", "also.mcp.local"]),
    );
    assert_eq!(hosts(&world), ["github.mcp.local:8080", "github.mcp.local:8081"]);
}

#[test]
fn calls_take_a_route_of_their_own_where_the_users_does_nothing_else() {
    let call = |world: &World| attachment(world).servers.remove(0).call;
    assert!(call(&World::guide()).is_some());
    let rule = "/spec/rules/0";
    for (pointer, value) in [
        ("timeouts", json!({"request": "10s"})),
        ("retry", json!({"attempts": 3})),
        ("filters", json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}])),
    ] {
        let mut world = World::guide();
        world.set(Kind::HttpRoute, ROUTE, &format!("{rule}/{pointer}"), value);
        assert_eq!(call(&world), None, "{pointer}");
    }
    let mut world = World::guide();
    world.set(Kind::Extension, "mcp-system/gateway", "/spec/httpRouteManagement", json!("Disabled"));
    assert!(!attachment(&world).is_broker_first);
}
