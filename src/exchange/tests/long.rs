//! What is long: URIs, and answers that go on for hours.

use super::*;

#[test]
fn policies_are_told_of_a_uri_however_long_it_is() {
    let upstream = format!("file:///{}", "x".repeat(3 << 10));
    let read = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"mcp-gateway://mcp-test/time/{upstream}"}}}}"#
    );
    let answer = posted(&[], &read);
    assert!(answer.contains(&format!("set x-mcp-resourceuri: {upstream}\n")), "{answer}");
}

#[test]
fn an_answer_that_goes_on_for_hours_keeps_no_old_state_alive() {
    let (old, new) = (fixture::snapshot(), fixture::snapshot());
    let seen = Arc::downgrade(&old);
    let mut run = Run::on(old);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now","task":{}}}"#;
    run.head(POST, false, BodyMode::Buffered);
    assert!(run.body(call).contains("route to mcp-test/time"));
    run.0.renew(&new);
    assert!(seen.upgrade().is_none(), "while the server works");
    let seen = Arc::downgrade(&new);
    drop(new);
    let headers = [(":status", "200"), ("content-type", "text/event-stream")];
    let headers = headers.map(|(name, value)| Header { name, value: value.as_bytes() });
    run.handle(Input::ResponseHeaders { head: Head(&headers), end_of_stream: false, details: None });
    assert!(run.0.is_answering());
    run.0.renew(&fixture::snapshot());
    assert!(seen.upgrade().is_none(), "while it answers");
}
