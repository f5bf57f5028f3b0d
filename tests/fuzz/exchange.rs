//! An exchange that is fed as Envoy feeds it, and out of every order.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, Mutex},
};

use mcp_gateway::{
    exchange::{
        Alias, AliasKind, Answer, BodyMode, Exchange, HairpinRight, Head, Header, Input, ReplayOutcome,
        Session, SessionFault, SessionId, SessionOutcome, Step, Tokens,
    },
    mcp::{ClientCapabilities, Id, Kind as MessageKind, Rejection, Revision, scan},
    routing::{
        Authority, CallCredential, Decision, Limits, ObjectName, Prefix, Request, ServerSpec, Snapshot, Spec,
        Timeouts, VirtualServerSpec, compile, decide,
    },
};

use crate::{catalogue::catalogue, check};

/// Bytes of the largest body.
const BODY_LIMIT: usize = 512;

pub(crate) static SNAPSHOT: LazyLock<Arc<Snapshot>> =
    LazyLock::new(|| Arc::new(compile(&spec(), &catalogue()).0));

/// Values of each header field that may stand in a request.
const FIELDS: &[(&str, &[&str])] = &[
    (":method", &["POST", "POST", "POST", "POST", "GET", "DELETE", "post"]),
    (
        ":authority",
        &[
            "mcp.example.com",
            "mcp.example.com",
            "MCP.example.com:8001",
            "mcp.example.com",
            "github.mcp.local",
            "github.mcp.local:x",
            "other",
            "",
        ],
    ),
    (":path", &["/mcp", "/mcp", "/mcp/?a", "/mcp/virtual/mcp-test/readers", "/mcp/virtual/none", "/x"]),
    (
        "content-type",
        &["application/json", "application/json", "application/json; charset=utf-8", "text/plain"],
    ),
    ("mcp-session-id", &["live", "live", "readers", "old", "", "junk"]),
    ("mcp-protocol-version", &["2025-06-18", "2025-11-25", "2026-07-28"]),
    ("origin", &["http://mcp.example.com", "https://evil.example"]),
    ("authorization", &["Bearer mine"]),
    ("accept", &["*/*", "application/json, text/event-stream"]),
    ("content-length", &["1", "99999", "x"]),
    ("content-encoding", &["identity", "gzip"]),
    ("x-mcp-toolname", &["forged"]),
    (
        "x-mcp-hairpin",
        &["", "mcp-test/github@github.mcp.local", "mcp-test/time@github.mcp.local", "mcp-test/gone@x"],
    ),
];

/// Fields of which each request has one; the others it has now and then, and once in a while twice.
const ALWAYS: usize = 4;

/// One kind of input, whatever it carries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Headers { end_of_stream: bool },
    Body { end_of_stream: bool },
    Trailers,
    Response,
    ResponseBody { end_of_stream: bool },
    ResponseTrailers,
    Running,
    Session,
    Replay,
}

/// What the body of a response is made of; the first is a request of the server.
const EVENTS: [&str; 4] = [
    "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"elicitation/create\",\"params\":{}}\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
    ": keep-alive\n\n",
    "event: x\r\ndata:\r\n\r\n",
];

const EVENT_STREAM: &str = "text/event-stream";

/// A step that Envoy, or the attachment, acts on.
#[derive(Debug)]
enum Did {
    Answered(Box<Answer>),
    Responded(u16),
    Asked(Kind),
}

/// What has happened in some run at least.
static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn see(what: &'static str) {
    SEEN.lock().unwrap().insert(what);
}

/// What no run has come to, of all that is checked.
pub(crate) fn not_seen() -> Vec<&'static str> {
    let all = ["a cancellation", "a stream that is rewritten", "an alias that leads on", "trailers"];
    let seen = SEEN.lock().unwrap();
    all.into_iter().filter(|what| !seen.contains(what)).collect()
}

/// However it is fed, an exchange answers one input once, and routes nothing but what `decide` lets through; fed as
/// Envoy feeds it, it leaves nothing unanswered.
pub(crate) fn keeps_its_promises(run: u64, body: &[u8]) -> Result<(), String> {
    // not the numbers that have made the body
    let mut run = Run::new(fastrand::Rng::with_seed(!run), body);
    if run.random.u8(0..4) == 0 { run.in_any_order() } else { run.as_envoy() }
}

struct Run<'a> {
    random: fastrand::Rng,
    exchange: Exchange,
    mode: BodyMode,
    fields: Vec<(&'static str, &'static str)>,
    body: &'a [u8],
    /// What of the body was fed.
    fed: Vec<u8>,
    ended: bool,
    /// The server that was said to run what is cancelled.
    running: Option<&'static str>,
    routed_to: Option<String>,
    /// Of the response.
    content_type: &'static str,
    /// What of the response's body has gone on, and how often it came to its end.
    gone_on: Vec<u8>,
    ends: usize,
}

impl<'a> Run<'a> {
    fn new(mut random: fastrand::Rng, body: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        for (at, (name, values)) in FIELDS.iter().enumerate() {
            let times = if at < ALWAYS { 1 } else { [0, 0, 0, 1, 1, 1, 1, 1, 1, 2][random.usize(0..10)] };
            // what is rarely right would end nearly every exchange at its head
            let rare = at >= 6 && random.u8(0..6) != 0;
            for _ in 0..if rare { 0 } else { times } {
                fields.push((*name, *random.choice(*values).unwrap()));
            }
        }
        let mode = *random.choice([BodyMode::Buffered, BodyMode::FullDuplex, BodyMode::None].iter()).unwrap();
        let exchange = Exchange::new(Arc::clone(&SNAPSHOT));
        let content_type = *random.choice([EVENT_STREAM, "application/json", "text/html"].iter()).unwrap();
        Self {
            random,
            exchange,
            mode,
            fields,
            body,
            fed: Vec::new(),
            ended: false,
            running: None,
            routed_to: None,
            content_type,
            gone_on: Vec::new(),
            ends: 0,
        }
    }

    fn in_any_order(&mut self) -> Result<(), String> {
        let kinds = [
            Kind::Headers { end_of_stream: false },
            Kind::Body { end_of_stream: true },
            Kind::Body { end_of_stream: false },
            Kind::Trailers,
            Kind::Response,
            Kind::ResponseBody { end_of_stream: false },
            Kind::ResponseBody { end_of_stream: true },
            Kind::ResponseTrailers,
            Kind::Running,
            Kind::Session,
            Kind::Replay,
        ];
        if self.random.bool() {
            self.feed(Kind::Headers { end_of_stream: false }, self.body)?;
        }
        for _ in 0..self.random.usize(1..8) {
            if self.ended {
                break; // the attachment has ended the stream
            }
            let kind = *self.random.choice(kinds.iter()).unwrap();
            self.feed(kind, self.body)?;
        }
        Ok(())
    }

    /// Headers, the body as the mode has it, the response; whatever is asked for in between is given.
    fn as_envoy(&mut self) -> Result<(), String> {
        let is_duplex = self.mode == BodyMode::FullDuplex;
        let body_follows = self.random.u8(0..8) != 0;
        let head = self.settled(Kind::Headers { end_of_stream: !body_follows }, b"")?;
        let Some(mut answer) = head else {
            check(is_duplex && body_follows, "the headers are left unanswered")?;
            return self.duplex_body();
        };
        if self.ended || !body_follows {
            return check(self.ended || answer == Answered::Responded, "nothing would come that ends it");
        }
        if is_duplex {
            return self.duplex_body();
        }
        if self.random.u8(0..8) == 0 {
            answer = self.settled(Kind::Response, b"")?.ok_or("Envoy's own reply is left unanswered")?;
            return check(self.ended && answer != Answered::Routed, "Envoy's own reply does not end it");
        }
        let end_of_stream = self.random.bool();
        let answer = self.settled(Kind::Body { end_of_stream }, self.body)?;
        self.response(answer.ok_or("the body is left unanswered")?)
    }

    fn duplex_body(&mut self) -> Result<(), String> {
        let pieces: Vec<&[u8]> = self.body.chunks(self.random.usize(1..400)).collect();
        let with_trailers = self.random.bool();
        for (number, piece) in (1..).zip(&pieces) {
            let end_of_stream = number == pieces.len() && !with_trailers;
            let answer = self.settled(Kind::Body { end_of_stream }, piece)?;
            check(answer.is_some() || !end_of_stream, "the end of the body is left unanswered")?;
            if self.ended {
                return Ok(());
            }
            if let (Some(answer), true) = (answer, end_of_stream) {
                return self.response(answer);
            }
        }
        let answer = self.settled(Kind::Trailers, b"")?;
        self.response(answer.ok_or("the trailers are left unanswered")?)
    }

    fn response(&mut self, answer: Answered) -> Result<(), String> {
        if self.ended {
            return check(answer != Answered::Routed, "a call's answer is not watched");
        }
        check(answer == Answered::Routed, "only a call's answer is watched")?;
        if self.settled(Kind::Response, b"")? == Some(Answered::Body) {
            return self.response_body();
        }
        check(self.ended, "the exchange does not end")
    }

    /// The body of a response that was asked for, cut anywhere, and perhaps trailers.
    fn response_body(&mut self) -> Result<(), String> {
        let events: Vec<usize> =
            (0..self.random.usize(0..6)).map(|_| self.random.usize(0..EVENTS.len())).collect();
        let body: String = events.iter().map(|event| EVENTS[*event]).collect();
        let with_trailers = self.random.bool();
        let size = self.random.usize(1..90);
        for piece in body.as_bytes().chunks(size) {
            let did = self.feed(Kind::ResponseBody { end_of_stream: false }, piece)?;
            check(did.is_none() && !self.ended && self.ends == 0, "a piece ends the body")?;
        }
        if with_trailers {
            see("trailers");
            let did = self.feed(Kind::ResponseTrailers, b"")?;
            check(matches!(did, Some(Did::Answered(_))), "the trailers are left unanswered")?;
        } else {
            check(
                self.feed(Kind::ResponseBody { end_of_stream: true }, b"")?.is_none(),
                "the end is answered",
            )?;
        }
        check(self.ended && self.ends == usize::from(!with_trailers), "the body does not come to its end")?;
        let server = self.routed_to.as_deref().unwrap_or_default();
        let asked = EVENTS[0].replace(":5,", &format!(":\"Request|7|{server}|5\","));
        let expected = |asked: &str| -> bool {
            let event = |event: &usize| if *event == 0 { asked } else { EVENTS[*event] };
            events.iter().map(event).collect::<String>().as_bytes() == self.gone_on
        };
        let is_read = self.content_type == EVENT_STREAM && self.mode != BodyMode::FullDuplex;
        let holds = match (is_read, self.session()) {
            (true, Some(_)) => {
                see("a stream that is rewritten");
                expected(&asked)
            }
            // nobody to ask: refused if it is read for another reason
            (true, None) => expected(EVENTS[0]) || expected(""),
            (false, _) => expected(EVENTS[0]),
        };
        check(holds, "the response's body is not what it should be")
    }

    /// Feeds an input, then whatever is asked for, until there is an answer; `None`: there is none.
    fn settled(&mut self, kind: Kind, body: &[u8]) -> Result<Option<Answered>, String> {
        let mut did = self.feed(kind, body)?;
        for _ in 0..4 {
            match did {
                None => return Ok(None),
                Some(Did::Answered(answer)) => {
                    let routed = answer.mutation.route_to.is_some();
                    check(!(routed && self.exchange.is_answering()), "a body is waited for before its head")?;
                    return Ok(Some(match (routed, self.ended) {
                        (true, false) => Answered::Routed,
                        (false, false) if self.exchange.is_answering() => Answered::Body,
                        (true, true) | (false, _) => Answered::Passed,
                    }));
                }
                Some(Did::Responded(status)) => {
                    let is_told =
                        scan(&self.fed).is_ok_and(|message| message.kind == MessageKind::Notification);
                    let is_taken = status == 202 && is_told;
                    check((400..=599).contains(&status) || status == 200 || is_taken, "an odd status")?;
                    check(self.ended, "a refusal does not end it")?;
                    return Ok(Some(Answered::Responded));
                }
                Some(Did::Asked(next)) => {
                    check(!self.ended, "it asks and ends")?;
                    did = self.feed(next, b"")?;
                    if did.is_none() && self.exchange.is_answering() {
                        return Ok(Some(Answered::Body));
                    }
                    if did.is_none() {
                        return check(self.ended, "what it asked for leads nowhere")
                            .map(|()| Some(Answered::Passed));
                    }
                }
            }
        }
        Err("it asks on and on".to_owned())
    }

    fn headers(&mut self, end_of_stream: bool) -> Result<Option<Did>, String> {
        let headers: Vec<Header<'_>> =
            self.fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let virtual_server = (self.random.u8(0..8) == 0).then_some("mcp-test/readers");
        let input = Input::RequestHeaders {
            head: Head(&headers),
            end_of_stream,
            body_mode: self.mode,
            virtual_server,
        };
        self.exchange.handle(input, &PlainTokens);
        self.steps()
    }

    fn feed(&mut self, kind: Kind, body: &[u8]) -> Result<Option<Did>, String> {
        let status = *self.random.choice(["200", "202", "307", "400", "404", "500", "", "x"].iter()).unwrap();
        let response = [(":status", status), ("content-type", self.content_type)]
            .map(|(name, value)| Header { name, value: value.as_bytes() });
        let input = match kind {
            Kind::Headers { end_of_stream } => return self.headers(end_of_stream),
            Kind::Body { end_of_stream } => {
                if self.mode != BodyMode::FullDuplex {
                    self.fed.clear();
                }
                self.fed.extend_from_slice(body);
                Input::RequestBody { body, end_of_stream }
            }
            Kind::Trailers => Input::RequestTrailers,
            Kind::Response => {
                Input::ResponseHeaders { head: Head(&response), end_of_stream: false, details: None }
            }
            Kind::ResponseBody { end_of_stream } => Input::ResponseBody { body, end_of_stream },
            Kind::ResponseTrailers => Input::ResponseTrailers,
            Kind::Running => {
                let servers = [None, Some("mcp-test/github"), Some("mcp-test/time"), Some("mcp-test/gone")];
                self.running = *self.random.choice(servers.iter()).unwrap();
                Input::Running(self.running.map(Into::into))
            }
            Kind::Session => Input::Session(match self.random.u8(0..12) {
                0 => SessionOutcome::Ready(None),
                1 => SessionOutcome::Revoked,
                2 => SessionOutcome::StoreUnavailable,
                3 => SessionOutcome::Refused { status: 401 },
                4 => SessionOutcome::Unavailable,
                5 => SessionOutcome::Missing,
                6 => SessionOutcome::Settled,
                _ => SessionOutcome::Ready(Some(("srv-1".into(), Revision::V2025_06_18))),
            }),
            Kind::Replay => Input::Replay(match self.random.u8(0..3) {
                0 => ReplayOutcome::NotNeeded,
                1 => ReplayOutcome::Answered { content_type: Some(self.content_type.into()) },
                _ => ReplayOutcome::Failed(Rejection::Internal),
            }),
        };
        self.exchange.handle(input, &PlainTokens);
        self.steps()
    }

    /// What one input has led to: one thing at most, and perhaps the end.
    fn steps(&mut self) -> Result<Option<Did>, String> {
        let mut did = None;
        while let Some(step) = self.exchange.poll() {
            check(!self.ended, "it goes on after its end")?;
            let next = match step {
                Step::Answer(answer) => {
                    if let Some(server) = &answer.mutation.route_to {
                        let sent = (!answer.edits.is_empty()).then(|| answer.edits.apply(&self.fed));
                        check(
                            self.may_reach(server.name.as_str(), sent.as_deref()),
                            "it routes what nobody has let through",
                        )?;
                        self.routed_to = Some(server.name.to_string());
                    }
                    Did::Answered(Box::new(answer))
                }
                Step::Respond(response, _) => Did::Responded(response.status),
                Step::Session(need) => {
                    let kind = scan(&self.fed).map_err(|error| error.to_string())?.kind;
                    let is_answer = matches!(kind, MessageKind::Result | MessageKind::Error);
                    check(need.settles.is_some() == is_answer, "what is no answer settles, or one does not")?;
                    check(need.opens == (kind == MessageKind::Request), "only a request opens a session")?;
                    Did::Asked(Kind::Session)
                }
                Step::Replay(..) => Did::Asked(Kind::Replay),
                Step::Running(..) => Did::Asked(Kind::Running),
                Step::Piece { body, last } => {
                    self.gone_on.extend(body);
                    self.ends += usize::from(last);
                    continue;
                }
                Step::Reply(_) | Step::Settle(_) => continue,
                Step::End => {
                    self.ended = true;
                    continue;
                }
            };
            check(did.replace(next).is_none(), "it does two things for one input")?;
        }
        Ok(did)
    }

    fn field(&self, name: &str) -> Option<&'static str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
    }

    /// The session that the request is in.
    fn session(&self) -> Option<&'static str> {
        self.field("mcp-session-id").filter(|session| matches!(*session, "live" | "readers"))
    }

    /// Whether this request may be sent to `server`, with this body where it is not as it came: decided again, from
    /// what stands in it.
    fn may_reach(&self, server: &str, sent: Option<&[u8]>) -> bool {
        let field = |name: &str| self.field(name);
        let host = field(":authority").unwrap_or_default().to_ascii_lowercase();
        if !matches!(&*host, "mcp.example.com" | "mcp.example.com:8001") {
            return false;
        }
        if let Some(right) = field("x-mcp-hairpin") {
            return right == "mcp-test/github@github.mcp.local" && server == "mcp-test/github";
        }
        let Ok(message) = scan(&self.fed) else { return false };
        let by_path = (field(":path") == Some("/mcp/virtual/mcp-test/readers")).then_some("mcp-test/readers");
        let session = field("mcp-session-id");
        let by_session = (session == Some("readers")).then_some("mcp-test/readers");
        let limits: Vec<&str> = by_path.into_iter().chain(by_session).collect();
        let has_session = matches!(session, Some("live" | "readers"));
        let honest = field("origin") != Some("https://evil.example")
            && field("mcp-protocol-version") != Some("2026-07-28")
            && field(":method") == Some("POST")
            && self.fed.len() <= BODY_LIMIT
            && (session.is_none() || has_session);
        let request = Request { body: &self.fed, message: &message, virtual_servers: &limits, has_session };
        let is_visible = limits.is_empty() || server == "mcp-test/github";
        let session_id = SessionId(if has_session { [7; 16] } else { [0; 16] });
        let opens = |kind, alias: Option<String>| {
            let alias = alias.and_then(|alias| PlainTokens.open_alias(kind, &alias));
            alias.filter(|alias| alias.session == session_id && &*alias.server == server)
        };
        let text = |id: Option<Id<'_>>| serde_json::from_str::<String>(id?.as_str()).ok();
        let sent = sent.and_then(|sent| scan(sent).ok());
        let is_let_through = match decide(&SNAPSHOT, &request) {
            Decision::Forward(forward) => return honest && forward.server.name.as_str() == server,
            Decision::Answer => opens(AliasKind::Request, text(message.id)).is_some_and(|alias| {
                sent.and_then(|sent| sent.id).is_some_and(|id| id.as_str() == &*alias.original)
            }),
            Decision::Progress => opens(AliasKind::Progress, text(message.params.progress_token))
                .is_some_and(|alias| {
                    sent.and_then(|sent| sent.params.progress_token)
                        .is_some_and(|id| id.as_str() == &*alias.original)
                }),
            Decision::Task => {
                let task = message.params.task_id.as_ref().map(|task| task.value.clone().into_owned());
                opens(AliasKind::Task, task).is_some_and(|alias| {
                    sent.and_then(|sent| sent.params.task_id)
                        .is_some_and(|task| *task.value == *alias.original)
                })
            }
            Decision::Cancel => {
                let is_run_there = has_session && sent.is_none() && self.running == Some(server);
                if is_run_there {
                    see("a cancellation");
                }
                return honest && is_visible && is_run_there;
            }
            Decision::Broker | Decision::Reject(_) => false,
        };
        if honest && is_visible && is_let_through {
            see("an alias that leads on");
        }
        honest && is_visible && is_let_through
    }
}

/// How Envoy's wait has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answered {
    /// To a server, whose answer is waited for.
    Routed,
    /// The response's body is waited for.
    Body,
    Passed,
    Responded,
}

/// Tokens that can be read, as in the unit tests of the exchange.
pub(crate) struct PlainTokens;

impl Tokens for PlainTokens {
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault> {
        let virtual_server = match token {
            b"live" => None,
            b"readers" => Some("mcp-test/readers".into()),
            b"old" => return Err(SessionFault::Expired),
            _ => return Err(SessionFault::Unknown),
        };
        let (id, revision) = (SessionId([7; 16]), Revision::V2025_11_25);
        Ok(Session {
            id,
            issued: 0,
            expires: 99,
            capabilities: ClientCapabilities(ClientCapabilities::ELICITATION_FORM),
            revision,
            virtual_server,
        })
    }

    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight> {
        let (server, hostname) = str::from_utf8(token).ok()?.split_once('@')?;
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
        let (server, original) = (parts.next()?.into(), parts.next()?);
        // as a sealed one would: what a server wrote, or nothing
        let is_id = matches!(kind, AliasKind::Request | AliasKind::Progress);
        (!is_id || Id::parse(original).is_some()).then(|| Alias {
            session,
            server,
            original: original.into(),
        })
    }

    fn seal_routed(&self, virtual_servers: &[&str]) -> String {
        virtual_servers.join(",")
    }
}

/// `mcp-test/github` (prefix, sessions) and `mcp-test/time` (neither).
fn spec() -> Spec {
    let server = |name: &str, hostname: &str, prefix: &str| ServerSpec {
        name: ObjectName::parse(name).unwrap(),
        url: format!("http://{hostname}/mcp").parse().unwrap(),
        hostname: Authority::parse(hostname).unwrap(),
        prefix: Prefix::parse(prefix).unwrap(),
        credential: None,
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts::default(),
    };
    Spec {
        public_hosts: vec![Authority::parse("mcp.example.com").unwrap()],
        allowed_origins: Vec::new(),
        servers: vec![
            server("mcp-test/github", "github.mcp.local", "github_"),
            server("mcp-test/time", "time.mcp.local", ""),
        ],
        virtual_servers: vec![VirtualServerSpec {
            name: ObjectName::parse("mcp-test/readers").unwrap(),
            tools: vec!["github_get_me".to_owned()],
            prompts: None,
            resources: None,
        }],
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits { body: BODY_LIMIT, page: 0 },
    }
}
