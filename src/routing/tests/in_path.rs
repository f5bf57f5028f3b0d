//! Requests other than tool calls that go to one server, and messages that an alias leads on.

use serde_json::{Value, json};

use super::*;

/// Who gets the request: the server and what it is asked for there, or why nobody does. What the server reads is
/// checked to be the request but for the name or URI.
pub(super) fn forwarded(
    snapshot: &Snapshot,
    virtual_servers: &[&str],
    method: &str,
    params: &Value,
) -> Result<String, Rejection> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    match decided(snapshot, virtual_servers, true, &body) {
        Decision::Forward(Forward { server, upstream, edits, .. }) => {
            let sent = edits.apply(body.as_bytes());
            let mut expected: Value = serde_json::from_str(&body).unwrap();
            let places = ["/params/name", "/params/uri", "/params/ref/name", "/params/ref/uri"];
            let place = places.into_iter().find(|place| expected.pointer(place).is_some()).unwrap();
            *expected.pointer_mut(place).unwrap() = json!(upstream);
            assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected);
            Ok(format!("{} {upstream}", server.name))
        }
        Decision::Reject(rejection) => Err(rejection),
        other @ (Decision::Broker
        | Decision::Answer
        | Decision::Progress
        | Decision::Task
        | Decision::Cancel) => panic!("{other:?}"),
    }
}

fn decided<'s>(
    snapshot: &'s Snapshot,
    virtual_servers: &[&str],
    has_session: bool,
    body: &str,
) -> Decision<'s> {
    let message = mcp::scan(body.as_bytes()).unwrap();
    decide(snapshot, &Request { body: body.as_bytes(), message: &message, virtual_servers, has_session })
}

/// `s/one` (prefix `one_`, sessions) and `s/two`, both with prompt `p` and resource `f:/a`.
fn two() -> (Spec, Catalogue) {
    let one = ServerSpec {
        prefix: Prefix::parse("one_").unwrap(),
        ..server("s/one", "one", "http://127.0.0.1:9/")
    };
    let spec = Spec { servers: vec![one, server("s/two", "two", "http://127.0.0.1:8/")], ..spec() };
    let mut catalogue = Catalogue::default();
    for (name, issues_sessions) in [("s/one", true), ("s/two", false)] {
        let found = Discovered {
            prompts: vec![item(Primitive::Prompt, "p")],
            resources: vec![item(Primitive::Resource, "f:/a")],
            ..discovered(issues_sessions, vec![])
        };
        catalogue.servers.insert(ObjectName::parse(name).unwrap(), Arc::new(found));
    }
    (spec, catalogue)
}

#[test]
fn prompts_and_resources_go_to_their_server_as_it_knows_them() {
    let (spec, catalogue) = two();
    let snapshot = compile(&spec, &catalogue).0;
    for (method, params, to) in [
        ("prompts/get", json!({"name": "one_p"}), "s/one p"),
        ("prompts/get", json!({"arguments": {"name": "one_x"}, "name": "p"}), "s/two p"),
        ("resources/read", json!({"uri": "f:/a"}), "s/one f:/a"),
        ("resources/subscribe", json!({"uri": "mcp-gateway://s/two/f:/a"}), "s/two f:/a"),
        ("resources/unsubscribe", json!({"uri": "mcp-gateway://s/one/f:/a"}), "s/one f:/a"),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "one_p"}}), "s/one p"),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "mcp-gateway://s/two/f:/a"}}),
            "s/two f:/a",
        ),
    ] {
        assert_eq!(forwarded(&snapshot, &[], method, &params).unwrap(), to, "{method} {params}");
    }
}

#[test]
fn what_is_not_there_is_refused_by_what_it_is() {
    let (spec, catalogue) = two();
    let snapshot = compile(&spec, &catalogue).0;
    let refused = |method, params: Value| forwarded(&snapshot, &[], method, &params).unwrap_err();
    for name in ["x", "one_", "one_one_p", ""] {
        let expected = Rejection::UnknownPrompt { name: name.to_owned() };
        assert_eq!(refused("prompts/get", json!({"name": name})), expected);
        assert_eq!(
            refused("completion/complete", json!({"ref": {"type": "ref/prompt", "name": name}})),
            expected
        );
    }
    for uri in ["f:/b", "mcp-gateway://s/none/f:/a", "mcp-gateway://s/one", "MCP-gateway://s/one/f:/a"] {
        let expected = Rejection::UnknownResource { uri: uri.to_owned() };
        assert_eq!(refused("resources/read", json!({"uri": uri})), expected);
        assert_eq!(
            refused("completion/complete", json!({"ref": {"type": "ref/resource", "uri": uri}})),
            expected
        );
    }
    let long = format!("mcp-gateway://s/one/{}", "x".repeat(uri::MAX_URI + 1));
    assert_eq!(refused("resources/read", json!({"uri": long})), Rejection::UnknownResource { uri: long });
    for (method, params) in [
        ("prompts/get", json!({})),
        ("resources/read", json!({"name": "x"})),
        ("completion/complete", json!({})),
        ("completion/complete", json!({"ref": {"name": "one_p"}})),
        ("completion/complete", json!({"ref": {"type": "ref/other", "name": "one_p"}})),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "uri": "f:/a"}})),
        ("tasks/get", json!({})),
    ] {
        let rejection = refused(method, params.clone());
        assert!(matches!(rejection, Rejection::MissingParameter { .. }), "{method} {params}: {rejection:?}");
    }
}

#[test]
fn a_read_without_a_session_reaches_only_servers_that_issue_none() {
    let (spec, catalogue) = two();
    let body = |uri: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}).to_string()
    };
    let (one, two) = (body("f:/a"), body("mcp-gateway://s/two/f:/a"));
    let needs_session =
        |decision: Decision<'_>| matches!(decision, Decision::Reject(Rejection::SessionNeeded { .. }));
    let snapshot = compile(&spec, &catalogue).0;
    assert!(needs_session(decided(&snapshot, &[], false, &one)));
    assert!(!needs_session(decided(&snapshot, &[], false, &two)));
    let strict = compile(&Spec { require_session: true, ..spec }, &catalogue).0;
    assert!(needs_session(decided(&strict, &[], false, &two)));
}

#[test]
fn only_the_start_of_a_name_is_cut_however_it_is_escaped() {
    let (spec, catalogue) = two();
    let snapshot = compile(&spec, &catalogue).0;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{ "uri" : "\u006dcp-gateway:\/\/s/two/f:\/a" }}"#;
    let Decision::Forward(forward) = decided(&snapshot, &[], true, body) else { panic!() };
    let sent = forward.edits.apply(body.as_bytes());
    assert_eq!(
        str::from_utf8(&sent).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{ "uri" : "f:\/a" }}"#
    );
}

#[test]
fn what_carries_an_alias_is_told_apart() {
    let snapshot = snapshot();
    for (body, expected) in [
        (r#"{"jsonrpc":"2.0","id":"x","result":{}}"#, "Answer"),
        (r#"{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"x"}}"#, "Answer"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x"}}"#, "Task"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"x"}}"#, "Task"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{"taskId":"x"}}"#, "Task"),
        (r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x"}}"#, "Progress"),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#, "Cancel"),
    ] {
        assert_eq!(format!("{:?}", decided(&snapshot, &[], true, body)), expected, "{body}");
    }
}
