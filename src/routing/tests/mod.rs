//! What the compiled snapshot answers: hosts, origins, names, clashes, lists, and that lists and calls agree.

use std::sync::Arc;

use super::{fixture::*, *};
use crate::mcp::{self, Rejection};

mod in_path;
mod resources;
mod templates;
mod visible;

fn call(name: &str) -> String {
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}})
        .to_string()
}

/// Who answers `tools/call` of `name`: the server, or why nobody does.
fn called(
    snapshot: &Snapshot,
    virtual_servers: &[&str],
    has_session: bool,
    name: &str,
) -> Result<String, Rejection> {
    let body = call(name);
    let message = mcp::scan(body.as_bytes()).unwrap();
    match decide(
        snapshot,
        &Request { body: body.as_bytes(), message: &message, virtual_servers, has_session },
    ) {
        Decision::Forward(forward) => Ok(format!("{} {}", forward.server.name, forward.upstream)),
        Decision::Reject(rejection) => Err(rejection),
        other @ (Decision::Broker
        | Decision::Answer
        | Decision::Progress
        | Decision::Task
        | Decision::Cancel) => panic!("{other:?}"),
    }
}

fn listed(snapshot: &Snapshot, virtual_servers: &[&str]) -> Vec<String> {
    let page = snapshot.scope(virtual_servers).unwrap().page(Primitive::Tool, None, 0).unwrap();
    assert_eq!(page.next, None);
    names(&page)
}

fn names(page: &Page) -> Vec<String> {
    let items: serde_json::Value = serde_json::from_slice(&[b"[", &page.items[..], b"]"].concat()).unwrap();
    let name = |item: &serde_json::Value| {
        let mut keys = ["name", "uri", "uriTemplate"].into_iter();
        keys.find_map(|key| item[key].as_str()).unwrap().to_owned()
    };
    items.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_call_goes_to_its_server_under_the_servers_name() {
    let snapshot = snapshot();
    assert_eq!(called(&snapshot, &[], true, "github_get_me").unwrap(), "mcp-test/github get_me");
    assert_eq!(called(&snapshot, &[], false, "now").unwrap(), "mcp-test/time now");
    for unknown in ["get_me", "github_", "github_nope", "github_github_get_me", "", "NOW", "now "] {
        let rejection = called(&snapshot, &[], true, unknown).unwrap_err();
        assert!(matches!(rejection, Rejection::UnknownTool { .. }), "{unknown:?}: {rejection:?}");
    }
}

#[test]
fn a_call_without_a_session_reaches_only_servers_that_issue_none() {
    let rejection = called(&snapshot(), &[], false, "github_get_me").unwrap_err();
    assert!(matches!(rejection, Rejection::SessionNeeded { .. }), "{rejection:?}");
    let (strict, _) = compile(&Spec { require_session: true, ..spec() }, &catalogue());
    assert!(matches!(called(&strict, &[], false, "now").unwrap_err(), Rejection::SessionNeeded { .. }));
}

#[test]
fn what_names_no_server_goes_to_the_broker() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"now"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"notifications/progress","params":{"progressToken":"x"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#,
    ] {
        let message = mcp::scan(body.as_bytes()).unwrap();
        let request =
            Request { body: body.as_bytes(), message: &message, virtual_servers: &[], has_session: true };
        assert!(matches!(decide(&snapshot(), &request), Decision::Broker), "{body}");
    }
}

#[test]
fn a_list_has_the_exposed_names_in_order_and_every_other_byte_of_the_server() {
    let snapshot = snapshot();
    assert_eq!(listed(&snapshot, &[]), ["github_create_issue", "github_get_me", "now"]);
    let first = r#"{"x":1,"name":"github_create_issue","inputSchema":{"type":"object"}},"#;
    let page = snapshot.scope(&[]).unwrap().page(Primitive::Tool, None, 0).unwrap();
    assert!(page.items.starts_with(first.as_bytes()));
}

#[test]
fn pages_follow_each_other_and_a_foreign_cursor_is_refused() {
    let snapshot = snapshot();
    let scope = snapshot.scope(&[]).unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    for _ in 0..3 {
        let page = scope.page(Primitive::Tool, cursor.as_deref(), 1).unwrap();
        seen.extend(names(&page));
        cursor = page.next;
    }
    assert_eq!((seen, cursor), (listed(&snapshot, &[]), None));
    assert_eq!(scope.page(Primitive::Tool, Some("!"), 1), None);
    let beyond = scope.page(Primitive::Tool, Some("enp6"), 1).unwrap();
    assert_eq!((names(&beyond), beyond.next), (vec![], None));
}

#[test]
fn a_virtual_server_limits_lists_and_calls_and_two_limit_together() {
    let mut spec = spec();
    let tools = vec!["now".to_owned(), "github_get_me".to_owned(), "gone".to_owned()];
    spec.virtual_servers.push(VirtualServerSpec {
        name: ObjectName::parse("mcp-test/more").unwrap(),
        tools,
        prompts: None,
        resources: None,
    });
    let (snapshot, _) = compile(&spec, &catalogue());
    assert_eq!(listed(&snapshot, &["mcp-test/readers"]), ["github_get_me"]);
    assert_eq!(listed(&snapshot, &["mcp-test/more"]), ["github_get_me", "now"]);
    assert_eq!(listed(&snapshot, &["mcp-test/more", "mcp-test/readers"]), ["github_get_me"]);
    assert!(called(&snapshot, &["mcp-test/readers"], true, "now").is_err());
    let unknown = called(&snapshot, &["mcp-test/none"], true, "now").unwrap_err();
    assert!(matches!(unknown, Rejection::UnknownVirtualServer { .. }));
    assert_eq!(snapshot.missing(&spec.virtual_servers[1].tools), ["gone"]);
}

#[test]
fn a_clash_refuses_the_later_name_only() {
    let mut spec = spec();
    spec.servers.push(server("mcp-test/late", "late.mcp.local", "http://127.0.0.1:8/mcp"));
    let mut catalogue = catalogue();
    let late = discovered(false, vec![tool("now", None), tool("later", None)]);
    catalogue.servers.insert(ObjectName::parse("mcp-test/late").unwrap(), Arc::new(late));
    let (snapshot, conflicts) = compile(&spec, &catalogue);
    assert_eq!(called(&snapshot, &[], true, "now").unwrap(), "mcp-test/time now");
    assert_eq!(called(&snapshot, &[], true, "later").unwrap(), "mcp-test/late later");
    let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
    assert_eq!(
        (conflict.server.as_str(), &*conflict.name, conflict.owner.as_str()),
        ("mcp-test/late", "now", "mcp-test/time")
    );
}

#[test]
fn a_disabled_server_offers_nothing_but_its_host_stays_closed() {
    let mut spec = spec();
    spec.servers[0].enabled = false;
    let (snapshot, _) = compile(&spec, &catalogue());
    assert_eq!(listed(&snapshot, &[]), ["now"]);
    assert!(snapshot.server("mcp-test/github").is_none());
    assert!(matches!(snapshot.host("github.mcp.local"), Host::Server(_)));
}

#[test]
fn hosts_are_told_apart_whatever_their_case_and_port() {
    let snapshot = snapshot();
    for public in ["mcp.example.com", "MCP.Example.com:8001", "mcp.example.com:443"] {
        assert!(matches!(snapshot.host(public), Host::Public), "{public}");
    }
    for server in ["GitHub.mcp.local:80", "github.mcp.local:", "github.mcp.local:x", "github.mcp.local:]"] {
        let is_server = matches!(snapshot.host(server), Host::Server(_));
        assert_eq!(is_server, !server.contains(']'), "{server}: as Envoy reads it");
    }
    for other in [
        "",
        "example.com",
        "mcp.example.com.",
        "xmcp.example.com",
        "mcp.example.com:x",
        "[::1]:80",
        "a@mcp.example.com",
    ] {
        assert!(matches!(snapshot.host(other), Host::Other), "{other}");
    }
}

#[test]
fn only_our_own_origins_and_those_allowed_may_call() {
    let snapshot = snapshot();
    for good in ["https://mcp.example.com", "http://mcp.example.com:8001", "https://APP.example.com"] {
        assert!(snapshot.allows_origin(good), "{good}");
    }
    for bad in [
        "",
        "null",
        "https://evil.example",
        "https://app.example.com:444",
        "http://app.example.com",
        "mcp.example.com",
        "https://mcp.example.com.evil.example",
        "ftp://mcp.example.com",
    ] {
        assert!(!snapshot.allows_origin(bad), "{bad}");
    }
}
