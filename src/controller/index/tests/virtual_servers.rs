//! Virtual servers: told to every data plane, and what comes back.

use serde_json::{Value, json};

use super::world::World;
use crate::controller::object::Kind;

const NAME: &str = "mcp-test/readers";

fn with(tools: &Value) -> World {
    let mut world = World::guide();
    world.put(json!({"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPVirtualServer",
                     "metadata": {"namespace": "mcp-test", "name": "readers"}, "spec": {"tools": tools}}));
    world.settle();
    world
}

#[test]
fn all_its_tools_make_it_ready() {
    let mut world = with(&json!(["github_get_me", "github_search", "github_get_me"]));
    assert!(world.says(Kind::VirtualServer, NAME, "Programmed").starts_with("False NoDataPlane"));
    world.report("pod-1", |_| {});
    assert_eq!(world.says(Kind::VirtualServer, NAME, "Accepted"), "True Accepted: valid");
    assert_eq!(
        world.says(Kind::VirtualServer, NAME, "Programmed"),
        "True Programmed: offered by every gateway"
    );
    assert_eq!(world.says(Kind::VirtualServer, NAME, "Ready"), "True Ready: 2 tools");
    assert_eq!(world.says(Kind::VirtualServer, NAME, "Warnings"), "False NoWarnings: ");
}

#[test]
fn missing_tools_are_named() {
    let mut world = with(&json!(["github_get_me"]));
    let missing = |count: usize| (0..count).map(|at| format!("tool_{at:02}")).collect::<Vec<_>>();
    for (count, said) in [
        (1, "False ToolsMissing: no server offers tool_00; register the server, or correct spec.tools"),
        (
            30,
            "False ToolsMissing: no server offers tool_00 and 29 more tools; register the server, or \
             correct spec.tools",
        ),
    ] {
        world.report("pod-1", |report| {
            report.virtual_servers.values_mut().for_each(|server| server.missing = missing(count));
        });
        assert_eq!(world.says(Kind::VirtualServer, NAME, "Ready"), said);
        let status = &world.get(Kind::VirtualServer, NAME).unwrap()["status"];
        assert_eq!(status["missingTools"].as_array().unwrap().len(), count.min(20));
        assert_eq!(status["tools"], json!(1));
    }
}

#[test]
fn a_name_that_is_no_tools_would_spoil_the_configuration() {
    for (tools, message) in [
        (json!([]), "spec.tools names no tool"),
        (json!([""]), "spec.tools: \"\" must be a tool's name"),
        (json!(["a b"]), "must be a tool's name"),
        (json!(["a".repeat(129)]), "must be a tool's name"),
    ] {
        let mut world = with(&tools);
        let said = world.says(Kind::VirtualServer, NAME, "Accepted");
        assert!(said.starts_with("False Invalid: ") && said.contains(message), "{said}");
        assert!(world.says(Kind::VirtualServer, NAME, "Programmed").starts_with("False NotAccepted"));
    }
}

#[test]
fn a_wrong_name_of_a_prompt_or_resource_is_told() {
    for (field, name, message) in [
        ("prompts", "", "spec.prompts: \"\" must be a prompt's name"),
        ("resources", "a b:", "must be a URI"),
    ] {
        let mut world = with(&json!(["github_get_me"]));
        world.set(Kind::VirtualServer, NAME, &format!("/spec/{field}"), json!([name]));
        let said = world.says(Kind::VirtualServer, NAME, "Accepted");
        assert!(said.starts_with("False Invalid: ") && said.contains(message), "{said}");
    }
}

#[test]
fn a_data_plane_that_has_not_loaded_it_is_named() {
    let mut world = with(&json!(["github_get_me"]));
    world.report("pod-1", |report| report.virtual_servers.clear());
    assert!(
        world
            .says(Kind::VirtualServer, NAME, "Programmed")
            .starts_with("False Pending: instance pod-1 of MCPGatewayExtension mcp-system/gateway")
    );
    world.delete(Kind::Extension, "mcp-system/gateway");
    assert!(world.says(Kind::VirtualServer, NAME, "Programmed").starts_with("False NoExtension"));
}

#[test]
fn what_does_not_fit_is_refused_the_younger_first() {
    let mut world = with(&json!(["github_get_me"]));
    let many: Vec<String> = (0..9_000).map(|at| format!("{at:0>128}")).collect();
    world.put(json!({"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPVirtualServer", "spec": {"tools": many},
                     "metadata": {"namespace": "a", "name": "a", "creationTimestamp": "2026-06-01T00:00:00Z"}}));
    assert!(world.says(Kind::VirtualServer, "a/a", "Accepted").starts_with("False TooMany"));
    assert!(world.says(Kind::VirtualServer, NAME, "Accepted").starts_with("True"));
}
