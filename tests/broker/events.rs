//! The client's event streams, and the streams of servers that they carry: over real HTTP, with Envoy played by the test.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use futures_util::StreamExt as _;
use http::Method;
use mcp_gateway::clock::{self, UnixTime};
use mcp_gateway::exchange::{Alias, AliasKind, SessionId, Tokens};
use mcp_gateway::mcp::Revision;
use mcp_gateway::sessions::ServerSession;
use serde_json::{Value, json};

use crate::fake::{Fake, event_stream, tool};
use crate::gateway::{Events, Gateway, eventually, server, spec, virtual_server};
use crate::upstream::{Stream, Upstream};

const UPDATED: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"#;

/// A log message that says `text`.
fn said(text: &str) -> String {
    format!(r#"{UPDATED}"{text}"}}}}"#)
}

struct Setting {
    gateway: Gateway,
    upstream: Upstream,
    _fakes: [Fake; 2],
}

impl Setting {
    /// A gateway in front of `ns/one` (tool `a`) and `ns/two` (tool `b`); the virtual server `ns/first` has `a` alone.
    async fn start() -> Self {
        let (one, two) = tokio::join!(async { Fake::start(&[&tool("a", "")]).await }, async {
            Fake::start(&[&tool("b", "")]).await
        },);
        let mut spec = spec(&[server("ns/one", &one.url, ""), server("ns/two", &two.url, "")]);
        spec.virtual_servers = vec![virtual_server("ns/first", &["a"])];
        one.set_fault(|seen| (seen.verb == Method::GET).then(with_event_ids));
        let gateway = Gateway::start(spec).await;
        gateway.wait_for_tools(&["a", "b"]).await;
        eventually("its event ids are known", async || gateway.status("ns/one").has_event_ids).await;
        let upstream = Upstream::start().await;
        gateway.hairpin.aim(&upstream.address, "mcp.example.com").unwrap();
        Self { gateway, upstream, _fakes: [one, two] }
    }

    fn session_of(&self, token: &str) -> SessionId {
        self.gateway.sealer.open_session(token.as_bytes()).unwrap().id
    }

    /// As a call of the client opens it: the session `id` at a server.
    async fn server_session(&self, token: &str, server: &str, id: &str, lost: Option<&str>) {
        let (session, expires) = (self.session_of(token), UnixTime(clock::now().0 + 1000));
        let opened = async { Ok::<_, String>(ServerSession::new(id.as_bytes(), Revision::LATEST).unwrap()) };
        let opened = self.gateway.store.open(session, expires, server, lost, opened).await.unwrap();
        assert_eq!(opened.session.unwrap().id(), Some(id));
    }

    async fn back(&self, gateway: &Gateway, token: &str, last_event_id: &str) -> Merged {
        let request = gateway.request("GET").header("mcp-session-id", token);
        let request = request.header("accept", "text/event-stream").header("last-event-id", last_event_id);
        Merged(Events::of(request.send().await.unwrap()))
    }
}

/// A stream that hands out an id, and then says nothing.
fn with_event_ids() -> Response {
    let primer = futures_util::stream::once(async { Ok::<_, Infallible>("id: 0\ndata:\n\n") });
    event_stream(Body::from_stream(primer.chain(futures_util::stream::pending())))
}

/// A client's stream.
struct Merged(Events);

impl Merged {
    async fn open(gateway: &Gateway, token: &str) -> Self {
        Self(gateway.events(token).await)
    }

    /// The id of the next event, and its message; `null`: it only hands out the id.
    async fn next(&mut self) -> (String, Value) {
        let event = self.0.next().await.expect("the stream has ended");
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let data = field("data:").filter(|data| !data.is_empty());
        (
            field("id:").unwrap().to_owned(),
            data.map_or(Value::Null, |data| serde_json::from_str(data).unwrap()),
        )
    }

    /// The id of the next message, which must be what `said` makes of `text`.
    async fn hears(&mut self, text: &str) -> String {
        let (id, message) = self.message().await;
        assert_eq!(message["params"]["data"], text, "{message}");
        id
    }

    async fn message(&mut self) -> (String, Value) {
        loop {
            let (id, message) = self.next().await;
            if !message.is_null() {
                return (id, message);
            }
        }
    }
}

#[tokio::test]
async fn what_servers_send_unasked_arrives_once() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    let one = setting.upstream.stream("ns/one", "s1").await;
    one.event("1", &said("first")).await;
    merged.hears("first").await;
    // opened while the client listens
    setting.server_session(&token, "ns/two", "s2", None).await;
    let two = setting.upstream.stream("ns/two", "s2").await;
    two.event("1", &said("second")).await;
    merged.hears("second").await;
    one.event("2", r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).await;
    one.event("3", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    one.event("4", &said("third")).await;
    merged.hears("third").await;
    assert_eq!(setting.upstream.waiting(), 0, "one stream for each server session");
}

#[tokio::test]
async fn a_client_returns_to_another_replica_and_goes_on_at_each_server() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-11-25").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    setting.server_session(&token, "ns/two", "s2", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    assert_eq!(merged.next().await.1, Value::Null, "an id comes first");
    let one = setting.upstream.stream("ns/one", "s1").await;
    let two = setting.upstream.stream("ns/two", "s2").await;
    assert_eq!((&one.last_event_id, &two.last_event_id), (&None, &None));
    one.event("one-1", &said("a")).await;
    merged.hears("a").await;
    // an id without a message is a place to return to as well
    assert!(two.raw("id: two-1\ndata:\n\n").await);
    let (id, primer) = merged.next().await;
    assert_eq!(primer, Value::Null);
    drop(merged);
    one.closed().await;
    two.closed().await;

    let other = setting.gateway.replica().await;
    other.wait_for_tools(&["a", "b"]).await;
    other.hairpin.aim(&setting.upstream.address, "mcp.example.com").unwrap();
    let mut merged = setting.back(&other, &token, &id).await;
    let one = setting.upstream.stream("ns/one", "s1").await;
    let two = setting.upstream.stream("ns/two", "s2").await;
    assert_eq!(one.last_event_id.as_deref(), Some("one-1"));
    assert_eq!(two.last_event_id.as_deref(), Some("two-1"));
    one.event("one-2", &said("b")).await;
    merged.hears("b").await;

    // to anybody else the id says nothing
    let stranger = setting.gateway.initialize("2025-11-25").await;
    setting.server_session(&stranger, "ns/one", "s3", None).await;
    let _merged = setting.back(&setting.gateway, &stranger, &id).await;
    assert_eq!(setting.upstream.stream("ns/one", "s3").await.last_event_id, None);
}

#[tokio::test]
async fn a_stream_that_a_server_ends_is_opened_again_from_where_it_ended() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    let stream = setting.upstream.stream("ns/one", "s1").await;
    stream.event("7", &said("a")).await;
    assert!(stream.raw("retry: 150\n\n").await);
    merged.hears("a").await;
    let began = tokio::time::Instant::now();
    drop(stream);
    let stream = setting.upstream.stream("ns/one", "s1").await;
    assert!(began.elapsed().as_millis() >= 140, "the server has asked to wait: {:?}", began.elapsed());
    assert_eq!(stream.last_event_id.as_deref(), Some("7"));
    // it is busy for a while
    setting.upstream.refuse(Some(503));
    drop(stream);
    eventually("more attempts", async || setting.upstream.refused("s1") >= 3).await;
    setting.upstream.refuse(None);
    let stream = setting.upstream.stream("ns/one", "s1").await;
    stream.event("8", &said("b")).await;
    merged.hears("b").await;
    // it has forgotten the event, not the session
    setting.upstream.refuse(Some(400));
    drop(stream);
    eventually("the attempts", async || setting.upstream.refused("s1") >= 4).await;
    eventually("the last one", async || setting.upstream.refused("s1") >= 5).await;
}

#[tokio::test]
async fn a_server_without_a_stream_is_left_alone_until_there_is_another_session() {
    let setting = Setting::start().await;
    for (status, attempts) in [(405, 1), (404, 1), (401, 1)] {
        let token = setting.gateway.initialize("2025-06-18").await;
        let (old, new) = (format!("old-{status}"), format!("new-{status}"));
        setting.upstream.refuse(Some(status));
        setting.server_session(&token, "ns/one", &old, None).await;
        let mut merged = Merged::open(&setting.gateway, &token).await;
        eventually("the attempt", async || setting.upstream.refused(&old) == attempts).await;
        setting.upstream.refuse(None);
        setting.server_session(&token, "ns/one", &new, Some(&old)).await;
        setting.upstream.stream("ns/one", &new).await.event("1", &said("again")).await;
        merged.hears("again").await;
        assert_eq!((setting.upstream.refused(&old), setting.upstream.waiting()), (attempts, 0));
    }
}

#[tokio::test]
async fn the_streams_of_servers_end_with_the_clients_and_with_the_session() {
    let mut setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let first = Merged::open(&setting.gateway, &token).await;
    let of_first = setting.upstream.stream("ns/one", "s1").await;
    let mut second = Merged::open(&setting.gateway, &token).await;
    of_first.closed().await;
    drop(first);
    let of_second = setting.upstream.stream("ns/one", "s1").await;
    of_second.event("1", &said("a")).await;
    second.hears("a").await;
    let ended = setting.gateway.request("DELETE").header("mcp-session-id", &token).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    of_second.closed().await;
    assert_eq!(second.0.next().await, None);

    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s2", None).await;
    let _merged = Merged::open(&setting.gateway, &token).await;
    let stream = setting.upstream.stream("ns/one", "s2").await;
    setting.gateway.stop().await;
    stream.closed().await;
}

#[tokio::test]
async fn a_session_ended_at_one_replica_ends_its_streams_at_the_other() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let _merged = Merged::open(&setting.gateway, &token).await;
    let stream = setting.upstream.stream("ns/one", "s1").await;
    let other = setting.gateway.replica().await;
    let ended = other.request("DELETE").header("mcp-session-id", &token).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    stream.closed().await;
}

#[tokio::test]
async fn what_a_server_sends_in_one_session_reaches_no_other() {
    let setting = Setting::start().await;
    let tokens = [(); 2].map(|()| setting.gateway.initialize("2025-06-18"));
    let [ann, bob] = futures_util::future::join_all(tokens).await.try_into().unwrap();
    setting.server_session(&ann, "ns/one", "of-ann", None).await;
    setting.server_session(&bob, "ns/one", "of-bob", None).await;
    let mut to_ann = Merged::open(&setting.gateway, &ann).await;
    let mut to_bob = Merged::open(&setting.gateway, &bob).await;
    let (of_ann, of_bob) = (
        setting.upstream.stream("ns/one", "of-ann").await,
        setting.upstream.stream("ns/one", "of-bob").await,
    );
    for round in 0..20 {
        of_ann.event(&round.to_string(), &said(&format!("ann {round}"))).await;
        of_bob.event(&round.to_string(), &said(&format!("bob {round}"))).await;
    }
    for round in 0..20 {
        to_ann.hears(&format!("ann {round}")).await;
        to_bob.hears(&format!("bob {round}")).await;
    }
}

#[tokio::test]
async fn a_server_that_the_client_does_not_see_is_not_heard() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    setting.server_session(&token, "ns/two", "s2", None).await;
    let request = setting.gateway.request("GET").header("mcp-session-id", &token);
    let request = request.header("accept", "text/event-stream").header("x-mcp-virtualserver", "ns/first");
    let mut merged = Merged(Events::of(request.header("x-tenant", "t1").send().await.unwrap()));
    let one = setting.upstream.stream("ns/one", "s1").await;
    assert_eq!(one.headers["x-tenant"], "t1", "policies see the client they know");
    one.event("1", &said("a")).await;
    merged.hears("a").await;
    assert_eq!(setting.upstream.waiting(), 0);
}

#[tokio::test]
async fn a_client_that_reads_slowly_slows_the_server_and_misses_nothing() {
    const EVENTS: usize = 1500;
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    let stream = setting.upstream.stream("ns/one", "s1").await;
    let padding = "x".repeat(100_000);
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let count = || sent.load(std::sync::atomic::Ordering::Relaxed);
    let sending = async {
        for number in 0..EVENTS {
            stream.event(&number.to_string(), &said(&format!("{number} {padding}"))).await;
            sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let reading = async {
        let (mut before, mut still) = (0, 0);
        eventually("the server has to wait", async || {
            still = if count() == before { still + 1 } else { 0 };
            before = count();
            before > 0 && still > 20
        })
        .await;
        assert!(count() < EVENTS, "{} events of 100 kB wait for a client that does not read", count());
        for number in 0..EVENTS {
            merged.hears(&format!("{number} {padding}")).await;
        }
    };
    tokio::join!(sending, reading);
}

/// The rest of a POST's stream, from the event that the server calls `original`.
async fn resume(setting: &Setting, token: &str, of: &str, original: &str) -> reqwest::Response {
    let alias = Alias { session: setting.session_of(of), server: "ns/one".into(), original: original.into() };
    let id = setting.gateway.sealer.seal_alias(AliasKind::Event, &alias);
    let request = setting.gateway.request("GET").header("mcp-session-id", token);
    request.header("accept", "text/event-stream").header("last-event-id", id).send().await.unwrap()
}

#[tokio::test]
async fn an_answer_goes_on_where_its_stream_has_ended() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-11-25").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    let beside = setting.upstream.stream("ns/one", "s1").await;
    let resumed = tokio::join!(resume(&setting, &token, &token, "p-1"), async {
        let stream: Stream = setting.upstream.stream("ns/one", "s1").await;
        assert_eq!(stream.last_event_id.as_deref(), Some("p-1"));
        stream
    });
    let (mut resumed, stream) = (Merged(Events::of(resumed.0)), resumed.1);
    stream.event("p-2", r#"{"jsonrpc":"2.0","id":5,"result":{"content":[]}}"#).await;
    let (id, message) = resumed.message().await;
    assert_eq!(message, json!({"jsonrpc": "2.0", "id": 5, "result": {"content": []}}));
    let alias = setting.gateway.sealer.open_alias(AliasKind::Event, &id).unwrap();
    assert_eq!((&*alias.server, &*alias.original), ("ns/one", "p-2"));
    drop(stream);
    assert_eq!(resumed.0.next().await, None);
    // beside the merged stream, which goes on
    beside.event("1", &said("still here")).await;
    merged.hears("still here").await;
}

#[tokio::test]
async fn an_answer_that_cannot_go_on_is_refused_without_a_word_of_the_session() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-11-25").await;
    let stranger = setting.gateway.initialize("2025-11-25").await;
    assert_eq!(resume(&setting, &token, &token, "p-1").await.status(), 400, "no session at the server");
    setting.server_session(&token, "ns/one", "s1", None).await;
    for (status, passed) in [(405, 405), (404, 400), (400, 400), (401, 400), (500, 503), (409, 503)] {
        setting.upstream.refuse(Some(status));
        let answer = resume(&setting, &token, &token, "p-1").await;
        assert_eq!(answer.status(), passed, "{status}");
        let body: Value = answer.json().await.unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
    }
    setting.upstream.refuse(None);
    // an id of another session is none: the client's own stream opens, and nothing is asked of the server
    let mut own = Merged(Events::of(resume(&setting, &stranger, &token, "p-1").await));
    assert_eq!(own.next().await.1, Value::Null);
    assert_eq!(setting.upstream.waiting(), 0);
}

#[tokio::test]
async fn a_resumed_answer_ends_with_its_session() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-11-25").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let (resumed, stream) =
        tokio::join!(resume(&setting, &token, &token, "p-1"), setting.upstream.stream("ns/one", "s1"));
    let mut resumed = Events::of(resumed);
    assert!(stream.is_open());
    let ended = setting.gateway.request("DELETE").header("mcp-session-id", &token).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    stream.closed().await;
    assert_eq!(resumed.next().await, None);
}

#[tokio::test]
async fn a_request_that_the_client_has_not_announced_is_answered_in_its_stead() {
    let setting = Setting::start().await;
    let token = setting.gateway.initialize("2025-06-18").await;
    setting.server_session(&token, "ns/one", "s1", None).await;
    let mut merged = Merged::open(&setting.gateway, &token).await;
    let stream = setting.upstream.stream("ns/one", "s1").await;
    stream.event("1", r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#).await;
    stream.event("2", r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).await;
    let (_, message) = merged.message().await;
    assert_eq!(message["method"], "ping");
    assert_ne!(message["id"], "p", "the id leads back to the server and the session");
    eventually("the answer", async || {
        let posted = setting.upstream.posted("s1");
        posted.iter().any(|reply| reply["id"] == "q" && reply["error"]["code"] == -32601)
    })
    .await;
}
