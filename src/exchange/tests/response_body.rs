//! Whether the body of a response is asked for.

use super::*;

const STREAM: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";
const CALL: (&str, &str) = ("tools/call", r#"{"name":"github_get_me"}"#);

/// Whether the body of a response of this content type is asked for; the client has announced `bits`.
fn is_asked(snapshot: &Arc<Snapshot>, bits: u32, (method, params): (&str, &str), content_type: &str) -> bool {
    let (mut run, sent) = sent(snapshot, bits, (method, params));
    let answer = run.answered(content_type, &[]);
    let asked = answer.contains(", response body");
    assert_eq!(asked, !answer.ends_with("end\n"), "{answer}");
    assert_eq!(asked, answer.contains("remove content-length"), "{answer}");
    assert!(answer.contains("remove mcp-session-id"), "{answer}");
    assert!(!asked || sent.contains("remove accept-encoding"), "{sent}");
    asked
}

fn sent(snapshot: &Arc<Snapshot>, bits: u32, (method, params): (&str, &str)) -> (Run, String) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let session = format!("live-{bits}");
    let more = [("mcp-session-id", &*session), ("accept-encoding", "gzip")];
    let mut run = Run::on(Arc::clone(snapshot));
    run.head(&with(POST, &more), false, BodyMode::Buffered);
    run.body(&body);
    let sent = run.handle(ready());
    assert!(sent.contains("route to mcp-test/github"), "{body}: {sent}");
    (run, sent)
}

#[test]
fn the_body_of_a_plain_call_is_not_asked_for() {
    for content_type in [STREAM, JSON, "text/html", ""] {
        assert!(!is_asked(&fixture::snapshot(), 0, CALL, content_type), "{content_type}");
    }
    let (_, sent) = sent(&fixture::snapshot(), 0, CALL);
    assert!(!sent.contains("accept-encoding"), "{sent}");
}

#[test]
fn a_stream_is_asked_for_where_the_client_may_be_asked() {
    type Announced = ClientCapabilities;
    for bits in [
        Announced::ROOTS,
        Announced::SAMPLING,
        Announced::ELICITATION_FORM,
        Announced::ELICITATION_URL,
        Announced::TASKS,
    ] {
        assert!(is_asked(&fixture::snapshot(), bits, CALL, STREAM), "{bits:b}");
        assert!(!is_asked(&fixture::snapshot(), bits, CALL, JSON), "{bits:b}");
        assert!(!is_asked(&fixture::snapshot(), bits, CALL, "image/png"), "{bits:b}");
    }
}

#[test]
fn a_stream_is_asked_for_where_the_server_logs() {
    let logs = changed(|github, _| github.capabilities = ServerCapabilities(ServerCapabilities::LOGGING));
    assert!(is_asked(&logs, 0, CALL, STREAM) && !is_asked(&logs, 0, CALL, JSON));
    let other = changed(|_, time| time.capabilities = ServerCapabilities(ServerCapabilities::LOGGING));
    assert!(!is_asked(&other, 0, CALL, STREAM));
}

#[test]
fn a_stream_is_asked_for_where_the_server_gives_its_events_ids() {
    let ids = changed(|github, _| github.has_event_ids = true);
    assert!(is_asked(&ids, 0, CALL, STREAM) && !is_asked(&ids, 0, CALL, JSON));
}

#[test]
fn a_stream_or_json_is_asked_for_where_a_task_is_made_or_asked_for() {
    let task = r#"{"taskId":"Task|7|mcp-test/github|t"}"#;
    for request in [
        ("tools/call", r#"{"name":"github_get_me","task":{}}"#),
        ("tasks/get", task),
        ("tasks/result", task),
        ("tasks/cancel", task),
    ] {
        for (content_type, expected) in [(STREAM, true), (JSON, true), ("text/plain", false)] {
            assert_eq!(is_asked(&fixture::snapshot(), 0, request, content_type), expected, "{request:?}");
        }
    }
}

#[test]
fn a_stream_or_json_is_asked_for_where_it_may_name_a_resource_that_two_servers_could_have() {
    let of_prompt = ("prompts/get", r#"{"name":"github_review"}"#);
    let (read, subscribe) =
        (("resources/read", r#"{"uri":"file:///a"}"#), ("resources/subscribe", r#"{"uri":"file:///a"}"#));
    let complete = ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"github_review"}}"#);
    for (request, expected) in
        [(CALL, true), (of_prompt, true), (read, true), (subscribe, false), (complete, false)]
    {
        assert_eq!(is_asked(&full(), 0, request, STREAM), expected, "{request:?}");
        assert_eq!(is_asked(&full(), 0, request, JSON), expected, "{request:?}");
        assert!(!is_asked(&full(), 0, request, "text/plain"), "{request:?}");
    }
    for only in [true, false] {
        let one = changed(|github, time| {
            let has = if only { github } else { time };
            has.capabilities = ServerCapabilities(ServerCapabilities::RESOURCES);
        });
        assert!(!is_asked(&one, 0, CALL, JSON) && !is_asked(&one, 0, CALL, STREAM), "only github: {only}");
    }
}

#[test]
fn a_body_that_cannot_be_read_or_is_not_there_is_not_asked_for() {
    let all = ClientCapabilities::SAMPLING;
    for (encoding, expected) in [("gzip", false), ("br", false), ("Identity", true)] {
        let (mut run, _) = sent(&fixture::snapshot(), all, CALL);
        let answer = run.answered(STREAM, &[("content-encoding", encoding)]);
        assert_eq!(answer.contains(", response body"), expected, "{encoding}");
    }
    let (mut run, _) = sent(&fixture::snapshot(), all, CALL);
    let headers = [(":status", "200"), ("content-type", STREAM)]
        .map(|(name, value)| Header { name, value: value.as_bytes() });
    let input = Input::ResponseHeaders { head: Head(&headers), end_of_stream: true, details: None };
    assert_eq!(run.handle(input), "answer\n  remove mcp-session-id\nend\n");
}

#[test]
fn in_full_duplex_no_body_is_ever_asked_for() {
    let rich = changed(|github, time| {
        github.has_event_ids = true;
        github.capabilities = ServerCapabilities(u32::MAX);
        time.capabilities = github.capabilities;
    });
    for (method, params) in [CALL, ("tasks/get", r#"{"taskId":"Task|7|mcp-test/github|t"}"#)] {
        for content_type in [STREAM, JSON] {
            let mut run = Run::on(Arc::clone(&rich));
            run.head(&with(POST, &[("mcp-session-id", "live-4095")]), false, BodyMode::FullDuplex);
            run.body(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#));
            let sent = run.handle(ready());
            assert!(sent.contains("route to mcp-test/github") && !sent.contains("accept-encoding"), "{sent}");
            assert_eq!(run.answered(content_type, &[]), "answer\n  remove mcp-session-id\nend\n");
        }
    }
}

#[test]
fn the_answer_to_what_is_no_request_is_not_asked_for() {
    let result = r#"{"jsonrpc":"2.0","id":"Request|7|mcp-test/github|5","result":{}}"#;
    let (mut run, _) = posted_in("live-4095", full(), result);
    run.handle(ready());
    assert_eq!(run.answered(STREAM, &[]), "answer\n  remove mcp-session-id\nend\n");
}
