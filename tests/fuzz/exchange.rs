//! An exchange that is fed as Envoy feeds it, and out of every order.

use std::sync::{Arc, LazyLock};

use mcp_gateway::{
    exchange::{
        Answer, BodyMode, Exchange, HairpinRight, Head, Header, Input, ReplayOutcome, Session, SessionFault,
        SessionId, SessionOutcome, Step, Tokens,
    },
    mcp::{Rejection, Revision, scan},
    routing::{
        Authority, CallCredential, Decision, Limits, ObjectName, Prefix, Request, ServerSpec, Snapshot, Spec,
        Timeouts, VirtualServerSpec, compile, decide,
    },
};

use crate::{catalogue::catalogue, check};

/// Bytes of the largest body.
const BODY_LIMIT: usize = 512;

static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| Arc::new(compile(&spec(), &catalogue()).0));

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
    Session,
    Replay,
}

/// A step that Envoy, or the attachment, acts on.
#[derive(Debug)]
enum Did {
    Answered(Box<Answer>),
    Responded(u16),
    Asked(Kind),
}

/// However it is fed, an exchange answers one input once, and routes nothing but what `decide` lets through; fed as
/// Envoy feeds it, it leaves nothing unanswered.
pub(crate) fn keeps_its_promises(body: &[u8]) -> Result<(), String> {
    let seed = body.iter().fold(0xcbf2_9ce4_8422_2325, |seed: u64, &byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut run = Run::new(fastrand::Rng::with_seed(seed), body);
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
        Self { random, exchange, mode, fields, body, fed: Vec::new(), ended: false }
    }

    fn in_any_order(&mut self) -> Result<(), String> {
        let kinds = [
            Kind::Headers { end_of_stream: false },
            Kind::Body { end_of_stream: true },
            Kind::Body { end_of_stream: false },
            Kind::Trailers,
            Kind::Response,
            Kind::Session,
            Kind::Replay,
        ];
        if self.random.bool() {
            self.feed(Kind::Headers { end_of_stream: false }, self.body)?;
        }
        for _ in 0..self.random.usize(1..6) {
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
        self.settled(Kind::Response, b"")?;
        check(self.ended, "the exchange does not end")
    }

    /// Feeds an input, then whatever is asked for, until there is an answer; `None`: there is none.
    fn settled(&mut self, kind: Kind, body: &[u8]) -> Result<Option<Answered>, String> {
        let mut did = self.feed(kind, body)?;
        for _ in 0..2 {
            match did {
                None => return Ok(None),
                Some(Did::Answered(answer)) => {
                    let routed = answer.mutation.route_to.is_some();
                    return Ok(Some(if routed && !self.ended { Answered::Routed } else { Answered::Passed }));
                }
                Some(Did::Responded(status)) => {
                    check((400..=599).contains(&status) || status == 200, "an odd status")?;
                    check(self.ended, "a refusal does not end it")?;
                    return Ok(Some(Answered::Responded));
                }
                Some(Did::Asked(next)) => {
                    check(!self.ended, "it asks and ends")?;
                    did = self.feed(next, b"")?;
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
        let response = [Header { name: ":status", value: status.as_bytes() }];
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
            Kind::Response => Input::ResponseHeaders { head: Head(&response), details: None },
            Kind::Session => Input::Session(match self.random.u8(0..8) {
                0 => SessionOutcome::Ready(None),
                1 => SessionOutcome::Revoked,
                2 => SessionOutcome::StoreUnavailable,
                3 => SessionOutcome::Refused { status: 401 },
                4 => SessionOutcome::Unavailable,
                _ => SessionOutcome::Ready(Some(("srv-1".into(), Revision::V2025_06_18))),
            }),
            Kind::Replay => Input::Replay(match self.random.u8(0..3) {
                0 => ReplayOutcome::NotNeeded,
                1 => ReplayOutcome::Answered,
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
                        check(self.may_reach(server.name.as_str()), "it routes what nobody has let through")?;
                    }
                    Did::Answered(Box::new(answer))
                }
                Step::Respond(response, _) => Did::Responded(response.status),
                Step::Session(_) => Did::Asked(Kind::Session),
                Step::Replay(..) => Did::Asked(Kind::Replay),
                Step::End => {
                    self.ended = true;
                    continue;
                }
            };
            check(did.replace(next).is_none(), "it does two things for one input")?;
        }
        Ok(did)
    }

    /// Whether this request may be sent to `server`: decided again, from what stands in it.
    fn may_reach(&self, server: &str) -> bool {
        let field =
            |name: &str| self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
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
        let request = Request { message: &message, virtual_servers: &limits, has_session };
        let decision = decide(&SNAPSHOT, &request);
        honest && matches!(decision, Decision::Call(tool) if tool.server.name.as_str() == server)
    }
}

/// How Envoy's wait has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answered {
    /// To a server, whose answer is waited for.
    Routed,
    Passed,
    Responded,
}

/// Tokens that can be read, as in the unit tests of the exchange.
struct PlainTokens;

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
        let (server, hostname) = str::from_utf8(token).ok()?.split_once('@')?;
        Some(HairpinRight { server: server.into(), hostname: hostname.into() })
    }

    fn open_probe(&self, token: &[u8]) -> Option<Box<str>> {
        std::str::from_utf8(token).ok()?.strip_prefix("probe-").map(Into::into)
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
        }],
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits { body: BODY_LIMIT, page: 0 },
    }
}
