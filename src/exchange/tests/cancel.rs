//! A client's `notifications/cancelled`, which goes to the server that runs the request.

use super::*;

const CANCEL: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"github_x"}}"#;

#[test]
fn a_cancellation_goes_to_the_server_that_runs_the_request() {
    let (mut run, steps) = posted_in("live", fixture::snapshot(), CANCEL);
    assert_eq!(steps, "running \"github_x\"\n");
    run.0.handle(Input::Running(Some("mcp-test/github".into())), &PlainTokens);
    let Some(Step::Session(need)) = run.0.poll() else { panic!("no session") };
    assert!(!need.opens && need.settles.is_none() && need.request.is_none(), "{need:?}");
    let answer = run.handle(ready());
    assert!(answer.contains("route to mcp-test/github"), "{answer}");
    assert!(answer.contains("set x-mcp-method: notifications/cancelled"), "{answer}");
    assert!(!answer.contains("  body "), "{answer}");
    assert_eq!(run.response("202"), "answer\n  remove mcp-session-id\nend\n");
}

#[test]
fn a_cancellation_of_what_nobody_runs_goes_no_further_than_the_broker() {
    for (session, running) in
        [("live", None), ("live", Some("mcp-test/gone")), ("readers", Some("mcp-test/time"))]
    {
        let (mut run, _) = posted_in(session, fixture::snapshot(), CANCEL);
        let steps = run.handle(Input::Running(running.map(Into::into)));
        assert!(steps.contains("set x-mcp-servername: mcpBroker") && steps.ends_with("end\n"), "{steps}");
        assert!(!steps.contains("route to"), "{steps}");
    }
    let without_session = posted(&[], CANCEL);
    assert!(without_session.contains("set x-mcp-servername: mcpBroker"), "{without_session}");
    let (_, without_id) = posted_in(
        "live",
        fixture::snapshot(),
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}"#,
    );
    assert!(without_id.contains("set x-mcp-servername: mcpBroker"), "{without_id}");
}

#[test]
fn a_cancellation_whose_server_session_is_gone_is_taken_and_left_at_that() {
    let (mut run, _) = posted_in("live", fixture::snapshot(), CANCEL);
    run.handle(Input::Running(Some("mcp-test/github".into())));
    assert_eq!(run.handle(Input::Session(SessionOutcome::Missing)), "respond 202 \nend\n");
}
