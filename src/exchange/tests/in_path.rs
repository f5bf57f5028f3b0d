//! Each method that goes to one server: to which, with which headers, with what of the body changed.

use super::*;

/// Method, params as the client sends them, server, the name or URI that policies are told of, and params as the
/// server gets them; empty: as they were sent.
const REQUESTS: &[(&str, &str, &str, &str, &str)] = &[
    ("tools/call", r#"{"name":"github_get_me"}"#, "github", "x-mcp-toolname: get_me", r#"{"name":"get_me"}"#),
    ("tools/call", r#"{"name":"now"}"#, "time", "x-mcp-toolname: now", ""),
    (
        "prompts/get",
        r#"{"name":"github_review"}"#,
        "github",
        "x-mcp-promptname: review",
        r#"{"name":"review"}"#,
    ),
    ("resources/read", r#"{"uri":"file:///a"}"#, "github", "x-mcp-resourceuri: file:///a", ""),
    (
        "resources/read",
        r#"{"uri":"mcp-gateway://mcp-test/time/file:///a"}"#,
        "time",
        "x-mcp-resourceuri: file:///a",
        r#"{"uri":"file:///a"}"#,
    ),
    ("resources/subscribe", r#"{"uri":"file:///a"}"#, "github", "x-mcp-resourceuri: file:///a", ""),
    (
        "resources/unsubscribe",
        r#"{"uri":"mcp-gateway://mcp-test/time/file:///a"}"#,
        "time",
        "x-mcp-resourceuri: file:///a",
        r#"{"uri":"file:///a"}"#,
    ),
    (
        "completion/complete",
        r#"{"ref":{"type":"ref/prompt","name":"github_review"}}"#,
        "github",
        "",
        r#"{"ref":{"type":"ref/prompt","name":"review"}}"#,
    ),
    (
        "completion/complete",
        r#"{"ref":{"type":"ref/resource","uri":"mcp-gateway://mcp-test/time/file:///a"}}"#,
        "time",
        "",
        r#"{"ref":{"type":"ref/resource","uri":"file:///a"}}"#,
    ),
    ("tasks/get", r#"{"taskId":"Task|7|mcp-test/github|t"}"#, "github", "", r#"{"taskId":"t"}"#),
    ("tasks/result", r#"{"taskId":"Task|7|mcp-test/time|t"}"#, "time", "", r#"{"taskId":"t"}"#),
    ("tasks/cancel", r#"{"taskId":"Task|7|mcp-test/github|a\"b"}"#, "github", "", r#"{"taskId":"a\"b"}"#),
];

fn message(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0", "id":"a","method":"{method}","params":{params}}}"#)
}

#[test]
fn each_request_goes_to_its_server_with_what_policies_and_the_server_need() {
    for &(method, params, server, name, sent) in REQUESTS {
        let body = message(method, params);
        let (mut run, steps) = posted_in("live", full(), &body);
        assert!(steps.starts_with(&format!("session mcp-test/{server} ")), "{body}: {steps}");
        let answer = run.handle(ready());
        let lines: Vec<&str> = answer.lines().map(str::trim_start).collect();
        for line in [
            &format!("route to mcp-test/{server}"),
            &format!("set x-mcp-servername: mcp-test/{server}"),
            &format!("set :authority: {server}.mcp.local"),
            &format!("set x-mcp-method: {method}"),
            "set mcp-session-id: srv-1",
            "set mcp-protocol-version: 2025-06-18",
        ] {
            assert!(lines.contains(&line), "{line} of {body}: {answer}");
        }
        let is_name = |line: &&str| {
            ["tool", "prompt", "resource"].iter().any(|kind| line.starts_with(&format!("set x-mcp-{kind}")))
        };
        let names: Vec<&str> = lines.iter().copied().filter(is_name).collect();
        let expected = format!("set {name}");
        assert_eq!(names, if name.is_empty() { vec![] } else { vec![&*expected] }, "{body}");
        let sent = (!sent.is_empty()).then(|| format!("body {}", message(method, sent)));
        assert_eq!(lines.iter().copied().find(|line| line.starts_with("body ")), sent.as_deref(), "{body}");
    }
}

#[test]
fn a_request_opens_a_session_may_be_cancelled_and_settles_nothing() {
    for &(method, params, ..) in REQUESTS {
        let mut run = Run::on(full());
        run.head(&with(POST, &[("mcp-session-id", "live-4")]), false, BodyMode::Buffered);
        let body = message(method, params);
        run.0.handle(Input::RequestBody { body: body.as_bytes(), end_of_stream: true }, &PlainTokens);
        let Some(Step::Session(need)) = run.0.poll() else { panic!("{body}") };
        assert!(need.opens && need.settles.is_none(), "{need:?}");
        assert_eq!((need.request.as_deref(), need.session), (Some(r#""a""#), SessionId([7; 16])));
        assert_eq!((need.capabilities, need.expires), (ClientCapabilities(ClientCapabilities::SAMPLING), 99));
    }
}

#[test]
fn in_full_duplex_servers_are_told_of_no_capabilities_and_make_no_tasks() {
    let head = with(POST, &[("mcp-session-id", "live-4")]);
    let mut run = Run::on(full());
    run.head(&head, false, BodyMode::FullDuplex);
    let body = message("tools/call", r#"{"name":"now"}"#);
    run.0.handle(Input::RequestBody { body: body.as_bytes(), end_of_stream: true }, &PlainTokens);
    let Some(Step::Session(need)) = run.0.poll() else { panic!("no session") };
    assert_eq!(need.capabilities, ClientCapabilities(0));

    let mut run = Run::on(full());
    run.head(&head, false, BodyMode::FullDuplex);
    let refused = run.body(&message("tools/call", r#"{"name":"now","task":{}}"#));
    assert!(
        refused.starts_with(r#"respond 200 {"jsonrpc":"2.0","id":"a","error":{"code":-32601"#),
        "{refused}"
    );
    assert!(!refused.contains("session"), "{refused}");
}

#[test]
fn a_task_of_another_session_server_or_kind_is_unknown() {
    for (session, task) in [
        ("live", "Task|8|mcp-test/github|t"),
        ("other", "Task|7|mcp-test/github|t"),
        ("live", "Task|0|mcp-test/github|t"),
        ("live", "Task|7|mcp-test/gone|t"),
        ("readers", "Task|7|mcp-test/time|t"),
        ("live", "Request|7|mcp-test/github|t"),
        ("live", "t"),
        ("live", ""),
    ] {
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            let (_, steps) =
                posted_in(session, full(), &message(method, &format!(r#"{{"taskId":"{task}"}}"#)));
            let unknown =
                r#"respond 200 {"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"unknown task"#;
            assert!(steps.starts_with(unknown) && steps.ends_with("}\nend\n"), "{session} {task}: {steps}");
        }
    }
    let (_, steps) =
        posted_in("readers", full(), &message("tasks/get", r#"{"taskId":"Task|7|mcp-test/github|t"}"#));
    assert_eq!(steps, "session mcp-test/github \n");
    let (_, steps) = posted_in("live", full(), &message("tasks/get", "{}"));
    assert!(steps.contains("-32602") && steps.contains("taskId"), "{steps}");
}

#[test]
fn a_client_without_a_session_has_the_tasks_of_no_session() {
    let task = |session| message("tasks/get", &format!(r#"{{"taskId":"Task|{session}|mcp-test/time|t"}}"#));
    assert!(posted(&[], &task(0)).contains("route to mcp-test/time"));
    assert!(posted(&[], &task(7)).contains("unknown task"));
}

#[test]
fn the_task_that_a_message_is_part_of_must_be_the_servers_too() {
    let related = |task: &str| {
        let meta = format!(r#"{{"io.modelcontextprotocol/related-task":{{"taskId":"{task}"}}}}"#);
        message("tasks/cancel", &format!(r#"{{"_meta":{meta},"taskId":"Task|7|mcp-test/github|t"}}"#))
    };
    let (mut run, _) = posted_in("live", full(), &related("Task|7|mcp-test/github|u"));
    let sent = related("u").replace("Task|7|mcp-test/github|t", "t");
    let answer = run.handle(ready());
    assert!(answer.contains(&format!("  body {sent}\n")), "{answer}");
    for task in ["Task|8|mcp-test/github|u", "Task|7|mcp-test/time|u"] {
        let (_, steps) = posted_in("live", full(), &related(task));
        assert!(steps.contains("unknown task"), "{task}: {steps}");
    }
}
