//! What data planes report, and what status makes of it.

use serde_json::json;

use super::{guide::NAME, world::World};
use crate::{
    controller::object::Kind,
    report::{Clash, Rejected, Report, ServerReport},
};

/// The guide, where the one data plane reports all well but for `change` of the server.
fn with(change: impl Fn(&mut ServerReport)) -> World {
    let mut world = World::guide();
    world.settle();
    world.report("pod-1", |report| report.servers.values_mut().for_each(&change));
    world
}

fn with_gateway(change: impl Fn(&mut Report)) -> World {
    let mut world = World::guide();
    world.settle();
    world.report("pod-1", change);
    world
}

#[test]
fn without_a_data_plane_nothing_is_programmed() {
    let mut world = World::guide();
    for said in [world.registration(NAME, "Programmed"), world.extension("Programmed")] {
        assert_eq!(
            said,
            "False NoDataPlane: MCPGatewayExtension mcp-system/gateway: no instance of the data plane \
             reports in namespace mcp-system; see whether its Deployment runs and may patch ConfigMap \
             mcp-system/mcp-gateway-status"
        );
    }
    assert!(world.registration(NAME, "Ready").starts_with("False NoDataPlane"));
}

#[test]
fn a_report_that_cannot_be_read_does_not_count() {
    let mut world = World::guide();
    world.settle();
    world.set(Kind::Report, "mcp-system/mcp-gateway-status", "/data/pod-1", json!("{"));
    assert!(world.extension("Programmed").starts_with("False NoDataPlane"));
}

#[test]
fn every_instance_must_have_loaded_what_is_configured() {
    let mut world = with(|_| {});
    world.report("pod-2", |report| report.servers.clear());
    let said = world.registration(NAME, "Programmed");
    assert_eq!(
        said,
        "False Pending: instance pod-2 of MCPGatewayExtension mcp-system/gateway has not loaded this \
         configuration yet; it does so within seconds"
    );
    world.report("pod-2", |report| {
        report.servers.values_mut().for_each(|server| server.fingerprint = "old".to_owned());
    });
    assert!(world.registration(NAME, "Programmed").starts_with("False Pending: instance pod-2"));
    world.report("pod-2", |_| {});
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
}

#[test]
fn a_change_is_pending_until_it_is_reported() {
    let mut world = with(|_| {});
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
    world.set(Kind::Registration, NAME, "/spec/path", json!("/mcp/v2"));
    assert!(world.registration(NAME, "Programmed").starts_with("False Pending"));
    world.report("pod-1", |_| {});
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
}

#[test]
fn programmed_means_seen_through_the_gateway() {
    let mut world = with(|server| server.routed = None);
    let said = world.registration(NAME, "Programmed");
    assert!(
        said.starts_with("False Pending: instance pod-1")
            && said.ends_with("has not tried the way through the Gateway yet")
    );
    let mut world = with(|server| {
        server.routed = Some(false);
        server.route_error = Some("404 from Envoy".to_owned());
    });
    assert_eq!(
        world.registration(NAME, "Programmed"),
        "False NotRouted: instance pod-1 of MCPGatewayExtension mcp-system/gateway does not reach the \
         server through the Gateway: 404 from Envoy; see the conditions of the HTTPRoute and of the \
         MCPGatewayExtension"
    );
    assert!(world.registration(NAME, "Ready").starts_with("False NotRouted"));
}

#[test]
fn a_host_that_answers_without_the_router_is_a_warning() {
    let mut world = with(|server| server.guarded = Some(false));
    let said = world.registration(NAME, "Warnings");
    assert!(
        said.starts_with(
            "True AnswersWithoutRouter: the server's host answers requests that did not pass the router"
        ),
        "{said}"
    );
    assert!(said.contains(" | DestinationRule mcp-test/github-mcp-external has sni"), "{said}");
    assert_eq!(world.registration(NAME, "Ready"), "True Ready: 3 tools");
}

#[test]
fn a_server_that_is_not_reached_says_why() {
    let mut world = with(|server| {
        server.reachable = false;
        server.tools = 0;
        server.error = Some("connection refused".to_owned());
    });
    assert_eq!(
        world.registration(NAME, "Ready"),
        "False ServerUnreachable: the server does not list its tools: connection refused"
    );
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
    let status = &world.get(Kind::Registration, NAME).unwrap()["status"];
    assert_eq!((&status["lastError"], &status["discoveredTools"]), (&json!("connection refused"), &json!(0)));
}

#[test]
fn the_worst_instance_counts() {
    let mut world = with(|_| {});
    world.report("pod-0", |report| report.servers.values_mut().for_each(|server| server.tools = 2));
    assert_eq!(world.registration(NAME, "Ready"), "True Ready: 2 tools");
    world.report("pod-0", |report| report.servers.values_mut().for_each(|server| server.reachable = false));
    assert!(world.registration(NAME, "Ready").starts_with("False ServerUnreachable"));
}

#[test]
fn rejected_tools_and_clashes_are_listed_up_to_a_limit() {
    let world = |count: usize| {
        let mut world = with(move |server| {
            let rejected = |at| Rejected { name: format!("bad_{at}"), reason: "has no schema".to_owned() };
            server.rejected = (0..count).map(rejected).collect();
            server.clashes = vec![Clash { tool: "get_me".to_owned(), owner: "mcp-test/a".to_owned() }];
        });
        world.settle();
        world.get(Kind::Registration, NAME).unwrap()["status"]["rejectedTools"].clone()
    };
    assert_eq!(
        world(1),
        json!([
            {"name": "bad_0", "reason": "has no schema"},
            {"name": "get_me", "reason": "the name is taken by mcp-test/a; give one of the two a toolPrefix"},
        ])
    );
    assert_eq!(world(30).as_array().unwrap().len(), 20);
}

#[test]
fn a_message_has_a_limit() {
    let mut world = with(|server| {
        server.reachable = false;
        server.error = Some("ü".repeat(5000));
    });
    let said = world.registration(NAME, "Ready");
    let message = said.split_once(": ").unwrap().1;
    assert!(message.len() <= 1024 && message.len() > 1000 && message.ends_with("ü…"), "{}", message.len());
    let error =
        world.get(Kind::Registration, NAME).unwrap()["status"]["lastError"].as_str().unwrap().to_owned();
    assert!(error.len() <= 1024);
}

#[test]
fn an_instance_that_fell_silent_counts_no_more_until_it_speaks() {
    let mut world = with(|_| {});
    world.report("pod-2", |report| report.servers.clear());
    assert!(world.registration(NAME, "Programmed").starts_with("False Pending"));
    world.index.silence("mcp-system", "pod-2");
    let done = world.settle();
    assert!(done.contains(&"forget pod-2 in mcp-system/mcp-gateway-status".to_owned()), "{done:?}");
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
    world.index.silence("mcp-system", "pod-1");
    world.index.silence("mcp-system", "never-was");
    world.index.silence("elsewhere", "pod-1");
    // the same text again is no sign of life, another one is
    let reports = world.get(Kind::Report, "mcp-system/mcp-gateway-status").unwrap().clone();
    world.put(reports);
    let wanted: Vec<String> = world.index.writes("").iter().map(super::world::said).collect();
    assert!(wanted.contains(&"forget pod-1 in mcp-system/mcp-gateway-status".to_owned()), "{wanted:?}");
    world.report("pod-1", |report| report.gateway.error = Some("beat".to_owned()));
    assert!(world.registration(NAME, "Programmed").starts_with("True"));
    assert_eq!(world.index.writes("").len(), 0);
}

#[test]
fn an_extension_is_programmed_when_the_router_was_seen() {
    let mut world = with_gateway(|report| report.gateway.attached = None);
    assert_eq!(
        world.extension("Programmed"),
        "False Pending: instance pod-1 has not tried the way through the Gateway yet"
    );
    let mut world = with_gateway(|report| {
        report.gateway.attached = Some(false);
        report.gateway.error = Some("the broker was not reached".to_owned());
    });
    let said = world.extension("Programmed");
    assert!(
        said.starts_with(
            "False NotAttached: instance pod-1 does not see the router through the Gateway: the broker was \
             not reached;"
        ),
        "{said}"
    );
    assert!(world.extension("Ready").starts_with("False NotAttached"));
}

#[test]
fn a_heartbeat_writes_nothing() {
    let mut world = with(|_| {});
    world.settle();
    let text =
        world.get(Kind::Report, "mcp-system/mcp-gateway-status").unwrap()["data"]["pod-1"].as_str().unwrap();
    let beating = text.replace("\"beat\":0", "\"beat\":7");
    assert_ne!(beating, text);
    world.set(Kind::Report, "mcp-system/mcp-gateway-status", "/data/pod-1", json!(beating));
    assert_eq!(world.settle(), [""; 0]);
}
