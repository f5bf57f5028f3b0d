//! Exchanges as lists of inputs and steps; answers are rendered one change a line.

mod answers;
mod cancel;
mod in_path;
mod long;
mod refusals;
mod response_body;
mod rewriting;

use std::{fmt::Write as _, sync::Arc};

use super::*;
use crate::{
    mcp::{ClientCapabilities, Revision, ServerCapabilities},
    routing::{Discovered, ObjectName, Primitive, Snapshot, compile, fixture},
};

/// Tokens that can be read: `live`, `live-BITS` (of a client with these capabilities), `readers` (bound to a virtual
/// server), `other` (another one) and `old`; a right is `SERVER@HOSTNAME`.
pub(super) struct PlainTokens;

impl Tokens for PlainTokens {
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault> {
        let token = std::str::from_utf8(token).map_err(|_not_text| SessionFault::Unknown)?;
        let bits = token.strip_prefix("live-").and_then(|bits| bits.parse().ok());
        let (id, virtual_server) = match token {
            "live" => (7, None),
            _ if bits.is_some() => (7, None),
            "other" => (8, None),
            "readers" => (7, Some("mcp-test/readers".into())),
            "old" => return Err(SessionFault::Expired),
            _ => return Err(SessionFault::Unknown),
        };
        let (id, revision) = (SessionId([id; 16]), Revision::V2025_11_25);
        Ok(Session {
            id,
            issued: 0,
            expires: 99,
            capabilities: ClientCapabilities(bits.unwrap_or_default()),
            revision,
            virtual_server,
        })
    }

    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight> {
        let (server, hostname) = std::str::from_utf8(token).ok()?.split_once('@')?;
        Some(HairpinRight { server: server.into(), hostname: hostname.into() })
    }

    fn open_probe(&self, token: &[u8]) -> Option<Box<str>> {
        std::str::from_utf8(token).ok()?.strip_prefix("probe-").map(Into::into)
    }

    fn seal_alias(&self, kind: AliasKind, alias: &Alias) -> String {
        let Alias { session, server, original } = alias;
        format!("{kind:?}|{}|{server}|{original}", session.0[0])
    }

    fn open_alias(&self, kind: AliasKind, token: &str) -> Option<Alias> {
        let mut parts = token.splitn(4, '|');
        (parts.next()? == format!("{kind:?}")).then_some(())?;
        let session = SessionId([parts.next()?.parse().ok()?; 16]);
        Some(Alias { session, server: parts.next()?.into(), original: parts.next()?.into() })
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

/// An exchange, and the body that it was given.
pub(super) struct Run(Exchange, Vec<u8>);

impl Run {
    pub(super) fn new() -> Self {
        Self::on(fixture::snapshot())
    }

    fn on(snapshot: Arc<Snapshot>) -> Self {
        Self(Exchange::new(snapshot), Vec::new())
    }

    fn feed(&mut self, input: Input<'_>) {
        if let Input::RequestBody { body, .. } = input {
            self.1.extend_from_slice(body);
        }
        self.0.handle(input, &PlainTokens);
    }

    pub(super) fn handle(&mut self, input: Input<'_>) -> String {
        self.feed(input);
        let mut out = String::new();
        while let Some(step) = self.0.poll() {
            render(&step, &self.1, &mut out);
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

    /// The head of a response of this content type, and what more stands in it.
    fn answered(&mut self, content_type: &str, more: &[(&str, &str)]) -> String {
        let fields = [&[(":status", "200"), ("content-type", content_type)], more].concat();
        let headers: Vec<_> =
            fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        self.handle(Input::ResponseHeaders { head: Head(&headers), end_of_stream: false, details: None })
    }

    fn piece(&mut self, body: &str, end_of_stream: bool) -> String {
        self.handle(Input::ResponseBody { body: body.as_bytes(), end_of_stream })
    }

    pub(super) fn response(&mut self, status: &str) -> String {
        let headers = [Header { name: ":status", value: status.as_bytes() }];
        self.handle(Input::ResponseHeaders { head: Head(&headers), end_of_stream: false, details: None })
    }
}

fn render(step: &Step, body: &[u8], out: &mut String) {
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
                let BodyModes { request_body, response_headers, response_body } = modes;
                let more = if response_body == BodyMode::None { "" } else { ", response body" };
                writeln!(out, "  modes {request_body:?}, response headers {response_headers}{more}").unwrap();
            }
            if !answer.edits.is_empty() {
                writeln!(out, "  body {}", String::from_utf8_lossy(&answer.edits.apply(body))).unwrap();
            }
        }
        Step::Respond(response, _) => {
            writeln!(out, "respond {} {}", response.status, String::from_utf8_lossy(&response.body)).unwrap();
            for (name, value) in response.headers.iter().filter(|(name, _)| *name != "content-type") {
                writeln!(out, "  set {name}: {value}").unwrap();
            }
        }
        Step::Session(need) => {
            let name = need.subject.name.as_ref().map_or("", |(_, name)| name);
            writeln!(out, "session {} {name}", need.server.name).unwrap();
        }
        Step::Replay(need, status) => writeln!(out, "replay {} {status}", need.server.name).unwrap(),
        Step::Running(_, request) => writeln!(out, "running {request}").unwrap(),
        Step::Piece { body, last } => {
            let last = if *last { "last " } else { "" };
            writeln!(out, "{last}piece {}", String::from_utf8_lossy(body)).unwrap();
        }
        Step::Reply(messages) => {
            for reply in messages {
                writeln!(out, "reply {}", String::from_utf8_lossy(reply)).unwrap();
            }
        }
        Step::Settle(aliases) => writeln!(out, "settle {}", aliases.join(" ")).unwrap(),
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

/// The servers of the fixture, changed: first `mcp-test/github`, then `mcp-test/time`.
fn changed(change: impl FnOnce(&mut Discovered, &mut Discovered)) -> Arc<Snapshot> {
    let mut catalogue = fixture::catalogue();
    let names = ["mcp-test/github", "mcp-test/time"].map(|name| ObjectName::parse(name).unwrap());
    let [mut github, mut time] = names.clone().map(|name| (*catalogue.servers[&name]).clone());
    change(&mut github, &mut time);
    catalogue.servers.extend(names.into_iter().zip([github, time].map(Arc::new)));
    Arc::new(compile(&fixture::spec(), &catalogue).0)
}

/// Servers that have everything, the second one a resource of the same URI.
fn full() -> Arc<Snapshot> {
    changed(|github, time| {
        github.capabilities = ServerCapabilities(
            ServerCapabilities::PROMPTS | ServerCapabilities::RESOURCES | ServerCapabilities::COMPLETIONS,
        );
        time.capabilities = github.capabilities;
        github.prompts.push(fixture::item(Primitive::Prompt, "review"));
        github.resources.push(fixture::item(Primitive::Resource, "file:///a"));
        time.resources.push(fixture::item(Primitive::Resource, "file:///a"));
    })
}

/// A POST of `body` in `session`, as far as the first steps it leads to.
fn posted_in(session: &str, snapshot: Arc<Snapshot>, body: &str) -> (Run, String) {
    let mut run = Run::on(snapshot);
    let head = run.head(&with(POST, &[("mcp-session-id", session)]), false, BodyMode::Buffered);
    assert_eq!(head, WAITS_FOR_THE_BODY);
    let steps = run.body(body);
    (run, steps)
}

fn ready() -> Input<'static> {
    Input::Session(SessionOutcome::Ready(Some(("srv-1".into(), Revision::V2025_06_18))))
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
      set x-mcp-method: tools/call
      set x-mcp-toolname: now
      set x-mcp-servername: mcp-test/time
      set accept: application/json, text/event-stream
      set mcp-protocol-version: 2025-06-18
      remove mcp-session-id
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
