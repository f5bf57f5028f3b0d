//! The body of a response on its way through an exchange.

use super::*;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"github_get_me"}}"#;
const ASKED: &str =
    "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"elicitation/create\",\"params\":{}}\n\n";
const ASKED_OF_CLIENT: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":\"Request|7|mcp-test/github|5\",\"method\":\"elicitation/create\",\"params\":{}}\n\n";
const SAMPLING: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"sampling/createMessage\"}\n\n";
const DONE: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";

/// A call of a client that takes forms, as far as the server.
fn called() -> Run {
    let session = format!("live-{}", ClientCapabilities::ELICITATION_FORM);
    let (mut run, _) = posted_in(&session, fixture::snapshot(), CALL);
    run.handle(ready());
    run
}

/// The same, as far as the head of its event stream.
fn streaming() -> Run {
    let mut run = called();
    assert!(run.answered("text/event-stream", &[]).contains(", response body"));
    run
}

#[test]
fn a_request_in_a_stream_goes_on_under_an_alias_and_is_settled_with_the_call() {
    let mut run = streaming();
    let (first, rest) = ASKED.split_at(20);
    assert_eq!(run.piece(": hello\n\n", false), "piece : hello\n\n\n");
    assert_eq!(run.piece(first, false), "");
    assert_eq!(run.piece(rest, false), format!("piece {ASKED_OF_CLIENT}\n"));
    assert_eq!(run.piece(DONE, false), format!("piece {DONE}\nsettle Request|7|mcp-test/github|5\n"));
    assert_eq!(run.piece("", true), "last piece \nend\n");
}

#[test]
fn a_request_that_the_client_did_not_announce_is_answered_for_it() {
    let mut run = streaming();
    let steps = run.piece(&[SAMPLING, DONE].concat(), true);
    let expected =
        format!("last piece {DONE}\nreply {{\"jsonrpc\":\"2.0\",\"id\":6,\"error\":{{\"code\":-32601");
    assert!(steps.starts_with(&expected) && steps.ends_with("end\n"), "{steps}");
}

#[test]
fn what_is_still_asked_when_a_stream_breaks_off_stays_open() {
    let mut run = streaming();
    assert_eq!(run.piece(ASKED, true), format!("last piece {ASKED_OF_CLIENT}\nend\n"));
}

#[test]
fn what_was_held_goes_on_before_trailers() {
    let mut run = streaming();
    run.piece(ASKED, false);
    assert_eq!(run.piece(DONE.trim_end(), false), "");
    let steps = run.handle(Input::ResponseTrailers);
    let expected = format!("piece {}\nsettle Request|7|mcp-test/github|5\nanswer\nend\n", DONE.trim_end());
    assert_eq!(steps, expected);

    let mut run = streaming();
    assert_eq!(run.handle(Input::ResponseTrailers), "answer\nend\n");
}

#[test]
fn a_call_that_was_made_again_is_rewritten_too() {
    let mut run = called();
    assert_eq!(run.response("404"), "replay mcp-test/github 404\n");
    let content_type = Some("text/event-stream".into());
    assert_eq!(run.handle(Input::Replay(ReplayOutcome::Answered { content_type })), "");
    assert_eq!(run.piece(ASKED, false), format!("piece {ASKED_OF_CLIENT}\n"));
    let steps = run.piece(DONE, true);
    assert_eq!(steps, format!("last piece {DONE}\nsettle Request|7|mcp-test/github|5\nend\n"));

    let mut run = called();
    run.response("404");
    run.handle(Input::Replay(ReplayOutcome::Answered { content_type: Some("application/json".into()) }));
    assert_eq!(run.piece(ASKED, true), format!("last piece {ASKED}\nend\n"));

    let mut run = called();
    run.response("400");
    assert_eq!(run.handle(Input::Replay(ReplayOutcome::NotNeeded)), "answer\n  remove mcp-session-id\nend\n");
}

#[test]
fn a_task_in_json_goes_on_under_its_alias() {
    let call = CALL.replace(r#""github_get_me""#, r#""github_get_me","task":{}"#);
    let (mut run, _) = posted_in("live", fixture::snapshot(), &call);
    run.handle(ready());
    assert!(run.answered("application/json", &[]).contains(", response body"));
    assert_eq!(run.piece(r#"{"jsonrpc":"2.0","id":1,"result":{"task""#, false), "");
    assert_eq!(
        run.piece(r#":{"taskId":"t"}}}"#, true),
        "last piece {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"task\":{\"taskId\":\"Task|7|mcp-test/github|t\"}}}\nend\n"
    );
}

#[test]
fn a_body_that_nobody_asked_for_gets_no_answer() {
    let mut run = called();
    assert_eq!(run.piece(ASKED, false), "");
    let mut run = streaming();
    run.piece(DONE, true);
    assert_eq!(run.piece(DONE, true), "");
}
