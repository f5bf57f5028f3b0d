//! Exchanges as lists of inputs and steps; answers are rendered one change a line.

use std::fmt::Write as _;

use super::*;
use crate::{mcp::Revision, routing::fixture};

/// Tokens that can be read: `live`, `readers` (bound to a virtual server) and `old`; a right is `SERVER@HOSTNAME`.
pub(super) struct PlainTokens;

impl Tokens for PlainTokens {
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault> {
        let virtual_server = match token {
            b"live" => None,
            b"readers" => Some("mcp-test/readers".into()),
            b"old" => return Err(SessionFault::Expired),
            _ => return Err(SessionFault::Unknown),
        };
        let (id, revision) = (SessionId([7; 16]), Revision::V2025_11_25);
        Ok(Session { id, issued: 0, expires: 99, capabilities: 0, revision, virtual_server })
    }

    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight> {
        let (server, hostname) = std::str::from_utf8(token).ok()?.split_once('@')?;
        Some(HairpinRight { server: server.into(), hostname: hostname.into() })
    }

    fn open_probe(&self, token: &[u8]) -> Option<Box<str>> {
        std::str::from_utf8(token).ok()?.strip_prefix("probe-").map(Into::into)
    }

    fn seal_routed(&self, virtual_servers: &[&str]) -> String {
        format!("sealed[{}]", virtual_servers.join(","))
    }
}

pub(super) const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":authority", "mcp.example.com:8001"),
    (":path", "/mcp"),
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
];

const CALL: &str = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"arguments":{"name":"github_x"}, "name":"github_get_me"}}"#;

/// The answer to the head of a message, when nothing of the head has to go.
pub(super) const WAITS_FOR_THE_BODY: &str = "answer\n  modes Buffered, response headers true\n";

pub(super) struct Run(Exchange);

impl Run {
    pub(super) fn new() -> Self {
        Self(Exchange::new(fixture::snapshot()))
    }

    pub(super) fn handle(&mut self, input: Input<'_>) -> String {
        self.0.handle(input, &PlainTokens);
        let mut out = String::new();
        while let Some(step) = self.0.poll() {
            render(&step, &mut out);
        }
        out
    }

    pub(super) fn head(
        &mut self,
        headers: &[(&str, &str)],
        end_of_stream: bool,
        body_mode: BodyMode,
    ) -> String {
        let headers: Vec<Header<'_>> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        self.handle(Input::RequestHeaders {
            head: Head(&headers),
            end_of_stream,
            body_mode,
            virtual_server: None,
        })
    }

    pub(super) fn body(&mut self, body: &str) -> String {
        self.handle(Input::RequestBody { body: body.as_bytes(), end_of_stream: true })
    }

    pub(super) fn response(&mut self, status: &str) -> String {
        let headers = [Header { name: ":status", value: status.as_bytes() }];
        self.handle(Input::ResponseHeaders { head: Head(&headers), details: None })
    }
}

fn render(step: &Step, out: &mut String) {
    match step {
        Step::Answer(answer) => {
            writeln!(out, "answer").unwrap();
            for (name, value) in &answer.mutation.set {
                match value {
                    Value::Static(text) => writeln!(out, "  set {name}: {text}").unwrap(),
                    Value::Text(text) => writeln!(out, "  set {name}: {text}").unwrap(),
                    Value::Credential(_, part) => writeln!(out, "  set {name}: <{part:?}>").unwrap(),
                }
            }
            answer.mutation.remove.iter().for_each(|name| writeln!(out, "  remove {name}").unwrap());
            if let Some(server) = &answer.mutation.route_to {
                writeln!(out, "  route to {}", server.name).unwrap();
            }
            if let Some(modes) = answer.modes {
                writeln!(
                    out,
                    "  modes {:?}, response headers {}",
                    modes.request_body, modes.response_headers
                )
                .unwrap();
            }
            if let Some(body) = &answer.body {
                writeln!(out, "  body {}", String::from_utf8_lossy(body)).unwrap();
            }
        }
        Step::Respond(response, _) => {
            writeln!(out, "respond {} {}", response.status, String::from_utf8_lossy(&response.body)).unwrap();
            for (name, value) in response.headers.iter().filter(|(name, _)| *name != "content-type") {
                writeln!(out, "  set {name}: {value}").unwrap();
            }
        }
        Step::Session(need) => writeln!(out, "session {} {}", need.server.name, need.tool).unwrap(),
        Step::Replay(need, status) => writeln!(out, "replay {} {status}", need.server.name).unwrap(),
        Step::End => writeln!(out, "end").unwrap(),
    }
}

pub(super) fn with<'a>(
    headers: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    headers.iter().filter(|(name, _)| !replaced(name)).chain(more).copied().collect()
}

/// What comes of a POST with `more` header fields and `body`, in buffered mode.
fn posted(more: &[(&str, &str)], body: &str) -> String {
    let mut run = Run::new();
    let head = run.head(&with(POST, more), false, BodyMode::Buffered);
    if head == WAITS_FOR_THE_BODY { run.body(body) } else { head + &run.body(body) }
}

#[test]
fn a_call_in_a_session_waits_for_the_server_session_and_goes_in_path() {
    let mut run = Run::new();
    assert_eq!(
        run.head(
            &with(POST, &[("mcp-session-id", "live"), ("origin", "http://mcp.example.com")]),
            false,
            BodyMode::Buffered
        ),
        WAITS_FOR_THE_BODY
    );
    assert_eq!(run.body(CALL), "session mcp-test/github get_me\n");
    let ready = SessionOutcome::Ready(Some(("srv-1".into(), Revision::V2025_03_26)));
    insta::assert_snapshot!(run.handle(Input::Session(ready)), @r#"
    answer
      set :authority: github.mcp.local
      set :path: /mcp/?v=1
      set x-mcp-api-key: <Key>
      set authorization: <Whole>
      set x-mcp-method: tools/call
      set x-mcp-toolname: get_me
      set x-mcp-servername: mcp-test/github
      set x-mcp-annotation-hints: readOnly=true
      set mcp-protocol-version: 2025-03-26
      set mcp-session-id: srv-1
      remove origin
      remove mcp-method
      remove mcp-name
      route to mcp-test/github
      body {"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"arguments":{"name":"github_x"}, "name":"get_me"}}
    "#);
    insta::assert_snapshot!(run.response("200"), @r#"
    answer
      remove mcp-session-id
    end
    "#);
}

#[test]
fn a_call_without_a_session_goes_to_a_server_that_issues_none() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}"#;
    insta::assert_snapshot!(posted(&[("accept", "*/*")], call), @r#"
    answer
      set :authority: time.mcp.local
      set :path: /mcp
      set x-mcp-method: tools/call
      set x-mcp-toolname: now
      set x-mcp-servername: mcp-test/time
      set accept: application/json, text/event-stream
      set mcp-protocol-version: 2025-06-18
      remove mcp-session-id
      remove origin
      remove mcp-method
      remove mcp-name
      route to mcp-test/time
    "#);
}

#[test]
fn the_clients_authorization_is_kept_and_the_key_stands_beside_it() {
    let mut run = Run::new();
    run.head(
        &with(POST, &[("mcp-session-id", "live"), ("authorization", "Bearer user")]),
        false,
        BodyMode::Buffered,
    );
    run.body(CALL);
    let answer = run.handle(Input::Session(SessionOutcome::Ready(None)));
    assert!(answer.contains("set x-mcp-api-key: <Key>") && !answer.contains("authorization"), "{answer}");
}

#[test]
fn everything_else_goes_to_the_broker_sealed() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    insta::assert_snapshot!(posted(&[("x-mcp-routed", "forged"), ("x-mcp-toolname", "forged"), ("x_mcp_authorized", "forged")], list), @r#"
    answer
      remove x-mcp-routed
      remove x-mcp-toolname
      remove x_mcp_authorized
      modes Buffered, response headers true
    answer
      set x-mcp-routed: sealed[]
      set x-mcp-servername: mcpBroker
      set x-mcp-method: tools/list
      remove x-mcp-toolname
      remove x_mcp_authorized
    end
    "#);
    insta::assert_snapshot!(posted(&[(":path", "/mcp/virtual/mcp-test/readers?x=1")], list), @r#"
    answer
      set x-mcp-routed: sealed[mcp-test/readers]
      set x-mcp-servername: mcpBroker
      set x-mcp-method: tools/list
    end
    "#);
}

#[test]
fn a_virtual_server_of_the_path_a_filter_or_the_session_limits_calls() {
    let now = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}"#;
    let refused = r#"respond 200 {"jsonrpc":"2.0","id":1,"error":{"code":-32602"#;
    assert!(posted(&[(":path", "/mcp/virtual/mcp-test/readers")], now).starts_with(refused));
    assert!(posted(&[("mcp-session-id", "readers")], now).starts_with(refused));
    let mut run = Run::new();
    let headers: Vec<Header<'_>> =
        POST.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let (head, body_mode) = (Head(&headers), BodyMode::Buffered);
    let virtual_server = Some("mcp-test/readers");
    run.handle(Input::RequestHeaders { head, end_of_stream: false, body_mode, virtual_server });
    assert!(run.body(now).starts_with(refused));
    assert!(posted(&[(":path", "/mcp/virtual/no/such")], now).starts_with("respond 404 "));
}

#[test]
fn a_request_without_a_message_goes_to_the_broker_after_its_head() {
    for method in ["GET", "DELETE", "OPTIONS"] {
        let head = with(
            POST,
            &[(":method", method), ("x-mcp-authorized", "forged"), ("mcp-session-id", "nonsense")],
        );
        insta::allow_duplicates! {
            insta::assert_snapshot!(Run::new().head(&head, true, BodyMode::Buffered), @r#"
            answer
              set x-mcp-routed: sealed[]
              set x-mcp-servername: mcpBroker
              remove x-mcp-authorized
              modes None, response headers false
            end
            "#);
        }
    }
    let form = with(
        POST,
        &[
            (":path", "/tokens"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-mcp-verified-sub", "forged"),
        ],
    );
    assert!(Run::new().head(&form, false, BodyMode::Buffered).contains("remove x-mcp-verified-sub"));
}

#[test]
fn another_applications_host_is_left_alone() {
    let other = [
        (":method", "POST"),
        (":authority", "shop.example.com"),
        (":path", "/mcp"),
        ("x-mcp-toolname", "theirs"),
    ];
    insta::assert_snapshot!(Run::new().head(&other, false, BodyMode::Buffered), @r#"
    answer
      modes None, response headers false
    end
    "#);
}

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
        assert_eq!(run.handle(Input::Replay(ReplayOutcome::Answered)), "end\n");
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
    assert_eq!(run.handle(Input::RequestBody { body: b"ab", end_of_stream: false }), "answer\n  body ab\n");
    assert_eq!(run.handle(Input::RequestBody { body: b"c", end_of_stream: true }), "answer\n  body c\nend\n");
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
