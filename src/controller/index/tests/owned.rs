//! What the controller owns: kept as it should be, and cleaned up.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    guide::NAME,
    world::{World, said, secret},
};
use crate::{
    controller::{Body, Write, object::Kind},
    source::{Overrides, read_text},
};

const FILTER: &str = "gateway-system/mcp-gateway-mcp-system-gateway";

#[test]
fn what_somebody_changed_is_set_right() {
    let mut world = World::guide();
    world.settle_well();
    world.set(
        Kind::HttpRoute,
        "mcp-system/mcp-gateway-route",
        "/spec/hostnames",
        json!(["evil.example.com"]),
    );
    assert_eq!(
        world.settle().first().map(String::as_str),
        Some("apply HttpRoute mcp-system/mcp-gateway-route")
    );
    world.set(Kind::EnvoyFilter, FILTER, "/spec", json!({}));
    assert_eq!(world.settle(), [format!("apply EnvoyFilter {FILTER}")]);
    world.set(Kind::OwnSecret, "mcp-system/mcp-gateway-config", "/data/config.json", json!("e30="));
    assert_eq!(world.settle(), ["apply OwnSecret mcp-system/mcp-gateway-config"]);
    world.set(Kind::OwnSecret, "mcp-system/mcp-gateway-config", "/data/more", json!("e30="));
    assert_eq!(world.settle(), ["apply OwnSecret mcp-system/mcp-gateway-config"]);
    world.delete(Kind::Report, "mcp-system/mcp-gateway-status");
    assert_eq!(
        world.settle().first().map(String::as_str),
        Some("apply Report mcp-system/mcp-gateway-status")
    );
    world.delete(Kind::OwnSecret, "mcp-system/mcp-gateway-session-key");
    assert_eq!(world.settle(), ["generate mcp-system/mcp-gateway-session-key"]);
}

#[test]
fn fields_that_the_api_server_adds_are_no_change() {
    let mut world = World::guide();
    world.settle_well();
    world.set(
        Kind::HttpRoute,
        "mcp-system/mcp-gateway-route",
        "/spec/rules/0/backendRefs/0/weight",
        json!(1),
    );
    world.set(Kind::EnvoyFilter, FILTER, "/spec/priority", json!(0));
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn a_session_key_is_never_written_again() {
    let mut world = World::guide();
    world.settle_well();
    world.set(Kind::OwnSecret, "mcp-system/mcp-gateway-session-key", "/data/keys", json!("b3RoZXI="));
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn deleting_the_extension_leaves_nothing_behind() {
    let mut world = World::guide();
    world.settle_well();
    world.delete(Kind::Extension, "mcp-system/gateway");
    let deleted: Vec<String> = world.settle().into_iter().filter(|it| it.starts_with("delete")).collect();
    assert_eq!(
        deleted,
        [
            "delete HttpRoute mcp-system/mcp-gateway-route".to_owned(),
            format!("delete EnvoyFilter {FILTER}"),
            "delete OwnSecret mcp-system/mcp-gateway-config".to_owned(),
            "delete Report mcp-system/mcp-gateway-status".to_owned(),
        ]
    );
    assert!(world.registration(NAME, "Accepted").starts_with("False NoExtension"));
}

#[test]
fn shards_that_are_no_longer_needed_go_and_secrets_of_others_stay() {
    let mut world = World::guide();
    world.settle_well();
    for name in ["mcp-gateway-config-1", "mcp-gateway-config-15", "mcp-gateway-config-16", "mine"] {
        let mut other = world.get(Kind::OwnSecret, "mcp-system/mcp-gateway-config").unwrap().clone();
        other["metadata"]["name"] = json!(name);
        world.put(other);
    }
    assert_eq!(
        world.settle(),
        [
            "delete OwnSecret mcp-system/mcp-gateway-config-1",
            "delete OwnSecret mcp-system/mcp-gateway-config-15"
        ]
    );
}

#[test]
fn moving_to_another_gateway_moves_the_filter() {
    let mut world = World::guide();
    let mut gateway = world.get(Kind::Gateway, "gateway-system/mcp-gateway").unwrap().clone();
    gateway["metadata"]["namespace"] = json!("mcp-system");
    world.put(gateway);
    world.settle_well();
    world.set(
        Kind::Extension,
        "mcp-system/gateway",
        "/spec/targetRef",
        json!({"name": "mcp-gateway", "sectionName": "mcp"}),
    );
    world.settle();
    assert_eq!(world.keys(Kind::EnvoyFilter), ["mcp-system/mcp-gateway-mcp-system-gateway"]);
}

#[test]
fn objects_of_the_extensions_namespace_belong_to_it() {
    let world = World::guide();
    for write in world.index.writes("") {
        let name = said(&write);
        let Write::Apply { body: Body::Object { owners, .. } | Body::Secret { owners, .. }, kind, .. } =
            write
        else {
            continue;
        };
        let owner = json!({"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPGatewayExtension", "name": "gateway", "uid": "uid-of-gateway"});
        let expected = if kind == Kind::EnvoyFilter { vec![] } else { vec![owner] };
        assert_eq!(owners, expected, "{name}");
    }
}

#[test]
fn a_data_plane_can_read_what_it_is_told() {
    let mut world = World::guide();
    world.server("mcp-test/time", "");
    world.server("mcp-test/clock", "clock_");
    world.set(Kind::Registration, NAME, "/spec/path", json!("/mcp/a\\b/%20/'\"{}"));
    world.put(secret("mcp-test/github-token", "Bearer \\\"'{}"));
    for (field, value) in [
        ("privateHost", json!("https://gateway.example.com:8443")),
        ("allowedOrigins", json!(["https://app.example.com", "nonsense"])),
        ("publicHost", json!("MCP.example.com:8001")),
        ("maxBodyBytes", json!(67_108_864)),
        ("backendPingIntervalSeconds", json!(7_200)),
    ] {
        world.set(Kind::Extension, "mcp-system/gateway", &format!("/spec/{field}"), value);
    }
    world.put(json!({"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPVirtualServer",
                     "metadata": {"namespace": "mcp-test", "name": "readers"}, "spec": {"tools": ["a", "a", "\"\\ü"]}}));
    world.settle();
    let text =
        world.get(Kind::OwnSecret, "mcp-system/mcp-gateway-config").unwrap()["data"]["config.json"].as_str();
    let text = String::from_utf8(STANDARD.decode(text.unwrap()).unwrap()).unwrap();
    let spec = read_text(&text, &Overrides::default()).unwrap().spec;
    assert_eq!((spec.servers.len(), spec.virtual_servers.len(), spec.allowed_origins.len()), (3, 1, 1));
    assert_eq!(spec.public_hosts[0].as_str(), "mcp.example.com");
    assert_eq!(spec.private_host.as_deref(), Some("https://gateway.example.com:8443"));
    assert_eq!((spec.limits.body, spec.relist), (64 << 20, Some(Duration::from_hours(2))));
}

#[test]
fn the_filter_is_for_the_port_that_envoy_binds() {
    for (target, port) in [(json!(9999), 9999), (json!("http"), 8080), (json!(null), 8080), (json!(0), 8080)]
    {
        let mut world = World::guide();
        world.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mcp-gateway-istio", "namespace": "gateway-system"},
                         "spec": {"ports": [{"port": 8080, "targetPort": target}]}}));
        world.settle();
        let patches = &world.get(Kind::EnvoyFilter, FILTER).unwrap()["spec"]["configPatches"];
        assert_eq!(patches[0]["match"]["listener"]["portNumber"], json!(port), "{target}");
    }
}
