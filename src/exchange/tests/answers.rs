//! What a client says to a server's request: its answer, its progress.

use super::*;

const ALIAS: &str = "Request|7|mcp-test/github|5";

fn result(alias: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{{}}, "id":"{alias}"}}"#)
}

fn progress(alias: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress":1,"progressToken":"{alias}"}}}}"#
    )
}

fn is_refused(steps: &str) -> bool {
    steps.starts_with(r#"respond 400 {"jsonrpc":"2.0","id":null,"error":{"code":-32600"#)
        && steps.ends_with("end\n")
        && !steps.contains("route to")
}

#[test]
fn an_answer_goes_to_its_server_once_with_the_id_the_server_wrote() {
    for (original, token) in [("5", "5"), (r#"\"a\\u00e9\""#, r#""a\u00e9""#)] {
        let alias = format!("Request|7|mcp-test/github|{original}");
        for body in [
            result(&alias),
            format!(r#"{{"jsonrpc":"2.0","id":"{alias}","error":{{"code":-1,"message":"no"}}}}"#),
        ] {
            let mut run = Run::new();
            run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::Buffered);
            run.feed(Input::RequestBody { body: body.as_bytes(), end_of_stream: true });
            let Some(Step::Session(need)) = run.0.poll() else { panic!("{body}") };
            let unescaped: String = serde_json::from_str(&format!("\"{alias}\"")).unwrap();
            assert_eq!(need.settles.as_deref(), Some(&*unescaped));
            assert!(!need.opens && need.request.is_none() && need.subject == Subject::default(), "{need:?}");
            let answer = run.handle(ready());
            let sent = body.replace(&format!("\"{alias}\""), token);
            assert!(answer.contains("route to mcp-test/github"), "{answer}");
            assert!(answer.contains("set mcp-session-id: srv-1"), "{answer}");
            assert!(answer.ends_with(&format!("  body {sent}\n")), "{answer}");
            assert!(!answer.contains("x-mcp-method"), "{answer}");
            assert_eq!(run.response("202"), "answer\n  remove mcp-session-id\nend\n");
        }
    }
}

#[test]
fn an_answer_to_what_was_not_asked_in_this_session_reaches_nobody() {
    for (session, alias) in [
        ("other", ALIAS),
        ("live", "Request|8|mcp-test/github|5"),
        ("live", "Request|0|mcp-test/github|5"),
        ("live", "Request|7|mcp-test/gone|5"),
        ("readers", "Request|7|mcp-test/time|5"),
        ("live", "Progress|7|mcp-test/github|5"),
        ("live", "Task|7|mcp-test/github|5"),
        ("live", "forged"),
        ("live", ""),
    ] {
        let (_, steps) = posted_in(session, fixture::snapshot(), &result(alias));
        assert!(is_refused(&steps), "{session} {alias}: {steps}");
    }
    for body in [
        r#"{"jsonrpc":"2.0","id":5,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#,
    ] {
        let (_, steps) = posted_in("live", fixture::snapshot(), body);
        assert!(steps.starts_with("respond 400 ") && steps.ends_with("end\n"), "{body}: {steps}");
    }
    let (_, steps) = posted_in("readers", fixture::snapshot(), &result(ALIAS));
    assert_eq!(steps, "session mcp-test/github \n");
}

#[test]
fn without_a_session_only_what_was_asked_without_one_is_answered() {
    assert!(is_refused(posted(&[], &result(ALIAS)).trim_start_matches(WAITS_FOR_THE_BODY)));
    let answer = posted(&[], &result("Request|0|mcp-test/time|5"));
    assert!(answer.contains("route to mcp-test/time") && answer.contains(r#""id":5}"#), "{answer}");
}

#[test]
fn an_answer_that_comes_too_late_is_refused() {
    for outcome in [SessionOutcome::Settled, SessionOutcome::Missing] {
        let (mut run, _) = posted_in("live", fixture::snapshot(), &result(ALIAS));
        let steps = run.handle(Input::Session(outcome));
        assert!(is_refused(&steps), "{steps}");
    }
    for status in ["400", "404"] {
        let (mut run, _) = posted_in("live", fixture::snapshot(), &result(ALIAS));
        run.handle(ready());
        let steps = run.response(status);
        assert!(is_refused(&steps), "{steps}");
    }
    let (mut run, _) = posted_in("live", fixture::snapshot(), &result(ALIAS));
    assert!(run.handle(Input::Session(SessionOutcome::Revoked)).starts_with("respond 404 "));
}

#[test]
fn progress_goes_to_the_server_that_gave_the_token() {
    let body = progress("Progress|7|mcp-test/github|1.5");
    let mut run = Run::new();
    run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::Buffered);
    run.feed(Input::RequestBody { body: body.as_bytes(), end_of_stream: true });
    let Some(Step::Session(need)) = run.0.poll() else { panic!("no session") };
    assert!(!need.opens && need.settles.is_none() && need.request.is_none(), "{need:?}");
    let answer = run.handle(ready());
    assert!(answer.contains("route to mcp-test/github"), "{answer}");
    assert!(answer.contains("set x-mcp-method: notifications/progress"), "{answer}");
    assert!(answer.contains(r#""progressToken":1.5}"#), "{answer}");
}

#[test]
fn progress_of_nothing_goes_no_further_than_the_broker() {
    for (session, alias) in [
        ("other", "Progress|7|mcp-test/github|1"),
        ("live", "Progress|7|mcp-test/gone|1"),
        ("readers", "Progress|7|mcp-test/time|1"),
        ("live", "Request|7|mcp-test/github|1"),
        ("live", "mine"),
    ] {
        let (_, steps) = posted_in(session, fixture::snapshot(), &progress(alias));
        assert!(steps.contains("set x-mcp-servername: mcpBroker"), "{session} {alias}: {steps}");
        assert!(!steps.contains("route to"), "{steps}");
    }
}

#[test]
fn a_notification_that_no_server_session_waits_for_is_taken_and_left_at_that() {
    let taken = "respond 202 \nend\n";
    let body = progress("Progress|7|mcp-test/github|1");
    let (mut run, _) = posted_in("live", fixture::snapshot(), &body);
    assert_eq!(run.handle(Input::Session(SessionOutcome::Missing)), taken);
    for status in ["400", "404"] {
        let (mut run, _) = posted_in("live", fixture::snapshot(), &body);
        run.handle(ready());
        assert_eq!(run.response(status), taken);
    }
}

#[test]
fn the_task_that_an_answer_is_part_of_is_the_servers_again() {
    let related = |task: &str| {
        let meta = format!(r#"{{"io.modelcontextprotocol/related-task":{{"taskId":"{task}"}}}}"#);
        format!(r#"{{"jsonrpc":"2.0","id":"{ALIAS}","result":{{"x":1,"_meta":{meta}}}}}"#)
    };
    // the last one is the client's own task, whose result the server has asked for
    for (task, sent) in [("Task|7|mcp-test/github|t", "t"), ("mine", "mine")] {
        let (mut run, _) = posted_in("live", fixture::snapshot(), &related(task));
        let answer = run.handle(ready());
        let sent = related(sent).replace(&format!("\"{ALIAS}\""), "5");
        assert!(answer.ends_with(&format!("  body {sent}\n")), "{answer}");
    }
    for task in ["Task|8|mcp-test/github|t", "Task|7|mcp-test/time|t"] {
        let (_, steps) = posted_in("live", fixture::snapshot(), &related(task));
        assert!(is_refused(&steps), "{task}: {steps}");
    }
}
