//! What is refused, lost, out of turn, or in pieces.

use super::*;

#[test]
fn a_servers_host_is_refused_to_clients() {
    for authority in ["github.mcp.local", "GITHUB.mcp.local:8001"] {
        assert!(posted(&[(":authority", authority)], CALL).starts_with("respond 403 "));
    }
}

#[test]
fn the_gateways_own_request_needs_a_right_for_a_registered_host() {
    let own = |right| {
        Run::new().head(
            &with(
                POST,
                &[("x-mcp-hairpin", right), ("x-mcp-toolname", "get_me"), ("mcp-session-id", "srv-1")],
            ),
            false,
            BodyMode::Buffered,
        )
    };
    insta::assert_snapshot!(own("mcp-test/github@github.mcp.local"), @r#"
    answer
      set :authority: github.mcp.local
      set :path: /mcp/?v=1
      set x-mcp-api-key: <Key>
      set authorization: <Whole>
      remove x-mcp-hairpin
      route to mcp-test/github
      modes None, response headers false
    end
    "#);
    for wrong in ["", "forged", "mcp-test/none@github.mcp.local", "mcp-test/github@moved.mcp.local"] {
        assert!(own(wrong).starts_with("respond 403 "), "{wrong}");
    }
}

#[test]
fn what_nobody_could_decide_on_is_refused_with_the_requests_id() {
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":5,"method":"x","params":{}{}}}"#, "[".repeat(5), "]".repeat(5));
    for (more, body, expected) in [
        (&[("content-type", "text/plain")][..], CALL, r#"respond 415 {"jsonrpc":"2.0","id":null"#),
        (&[("content-type", "application/jsonp")], CALL, "respond 415 "),
        (&[("content-encoding", "gzip")], CALL, "respond 415 "),
        (&[("content-length", "4097")], CALL, "respond 413 "),
        (&[("origin", "https://evil.example")], CALL, "respond 403 "),
        (&[("mcp-session-id", "old")], CALL, r#"respond 404 {"jsonrpc":"2.0","id":"a","error""#),
        (&[("mcp-session-id", "forged")], CALL, r#"respond 404 {"jsonrpc":"2.0","id":"a","error""#),
        (&[("mcp-protocol-version", "2026-07-28")], CALL, r#"respond 400 {"jsonrpc":"2.0","id":"a","error""#),
        (&[], CALL, r#"respond 400 {"jsonrpc":"2.0","id":"a","error""#),
        (&[], "{", r#"respond 400 {"jsonrpc":"2.0","id":null,"error":{"code":-32700"#),
        (&[], "[]", "respond 400 "),
        (&[], "", "respond 400 "),
        (&[], &deep, r#"respond 400 {"jsonrpc":"2.0","id":5,"error""#),
        (
            &[],
            r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{}}"#,
            r#"respond 200 {"jsonrpc":"2.0","id":6,"error":{"code":-32602"#,
        ),
        (
            &[],
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"no"}}"#,
            r#"respond 200 {"jsonrpc":"2.0","id":7,"error":{"code":-32602"#,
        ),
        (
            &[],
            r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","Method":"x","params":{"name":"now"}}"#,
            r#"respond 400 {"jsonrpc":"2.0","id":8,"error":{"code":-32600"#,
        ),
    ] {
        let steps = posted(more, body);
        assert!(steps.starts_with(expected) && steps.contains("end\n"), "{more:?} {body}: {steps}");
        assert!(!steps.contains("route to"), "{steps}");
    }
    let twice = [POST, &[("mcp-session-id", "live"), ("mcp-session-id", "readers")]].concat();
    assert!(Run::new().head(&twice, false, BodyMode::Buffered).starts_with("respond 400 "));
    assert!(Run::new().head(POST, true, BodyMode::Buffered).starts_with("respond 400 "));
}

#[test]
fn initialize_begins_anew_whatever_session_and_revision_the_head_names() {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let steps = posted(&[("mcp-session-id", "old"), ("mcp-protocol-version", "1999-01-01")], initialize);
    assert!(steps.contains("set x-mcp-servername: mcpBroker"), "{steps}");
}

#[test]
fn a_session_that_cannot_be_had_is_told_with_the_requests_id() {
    for (outcome, expected) in [
        (SessionOutcome::Revoked, "respond 404 "),
        (SessionOutcome::StoreUnavailable, "respond 503 "),
        (SessionOutcome::Unavailable, "respond 50"),
        (SessionOutcome::Refused { status: 401 }, "respond "),
    ] {
        let mut run = Run::new();
        run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::Buffered);
        run.body(CALL);
        let steps = run.handle(Input::Session(outcome));
        assert!(
            steps.starts_with(expected) && steps.contains(r#""id":"a""#) && steps.ends_with("end\n"),
            "{steps}"
        );
    }
}

#[test]
fn a_lost_server_session_leads_to_one_replay() {
    for status in ["404", "400"] {
        let mut run = Run::new();
        run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::Buffered);
        run.body(CALL);
        run.handle(Input::Session(SessionOutcome::Ready(Some(("srv-1".into(), Revision::LATEST)))));
        assert_eq!(run.response(status), format!("replay mcp-test/github {status}\n"));
        assert_eq!(run.handle(Input::Replay(ReplayOutcome::Answered { content_type: None })), "");
        assert_eq!(run.handle(Input::ResponseBody { body: b"a", end_of_stream: false }), "piece a\n");
        assert_eq!(run.handle(Input::ResponseBody { body: b"", end_of_stream: true }), "last piece \nend\n");
    }
    let mut run = Run::new();
    run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::Buffered);
    run.body(CALL);
    run.handle(Input::Session(SessionOutcome::Ready(None)));
    assert_eq!(
        run.response("404"),
        "answer\n  remove mcp-session-id\nend\n",
        "there was no server session to lose"
    );
}

#[test]
fn envoys_own_reply_may_come_at_any_time() {
    let mut run = Run::new();
    run.head(POST, false, BodyMode::Buffered);
    assert_eq!(run.response("413"), "answer\nend\n");
}

#[test]
fn a_duplex_body_is_collected_and_answered_once() {
    let mut run = Run::new();
    let head = with(POST, &[("mcp-session-id", "live"), ("x-mcp-toolname", "forged")]);
    assert_eq!(run.head(&head, false, BodyMode::FullDuplex), "");
    let (first, rest) = CALL.split_at(40);
    assert_eq!(run.handle(Input::RequestBody { body: first.as_bytes(), end_of_stream: false }), "");
    assert_eq!(
        run.handle(Input::RequestBody { body: rest.as_bytes(), end_of_stream: true }),
        "session mcp-test/github get_me\n"
    );
    let answer = run.handle(Input::Session(SessionOutcome::Ready(None)));
    assert!(
        answer.contains(r#""name":"get_me""#) && answer.contains("set x-mcp-toolname: get_me"),
        "{answer}"
    );

    let mut run = Run::new();
    run.head(POST, false, BodyMode::FullDuplex);
    let piece = " ".repeat(4000);
    assert_eq!(run.handle(Input::RequestBody { body: piece.as_bytes(), end_of_stream: false }), "");
    assert!(
        run.handle(Input::RequestBody { body: piece.as_bytes(), end_of_stream: false })
            .starts_with("respond 413 ")
    );

    let mut run = Run::new();
    let other = with(POST, &[(":authority", "shop.example.com")]);
    assert!(run.head(&other, false, BodyMode::FullDuplex).starts_with("answer\n"));
    assert_eq!(run.handle(Input::RequestBody { body: b"ab", end_of_stream: false }), "answer\n");
    assert_eq!(run.handle(Input::RequestBody { body: b"c", end_of_stream: true }), "answer\nend\n");
}

#[test]
fn an_input_out_of_turn_gets_no_answer() {
    let mut run = Run::new();
    assert_eq!(run.body(CALL), "");
    assert_eq!(run.head(POST, false, BodyMode::Buffered), "");
}

#[test]
fn a_body_that_envoy_would_not_send_is_asked_for() {
    let mut run = Run::new();
    let head = run.head(&with(POST, &[("mcp-session-id", "live")]), false, BodyMode::None);
    assert_eq!(head, WAITS_FOR_THE_BODY);
    assert_eq!(run.body(CALL), "session mcp-test/github get_me\n");
}
