//! The gateway's own requests: what they carry, and what is made of every kind of answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri, header::CONTENT_TYPE},
};
use futures_util::{StreamExt as _, stream};
use mcp_gateway::{
    clock,
    credentials::{KeyRing, Sealer},
    exchange::{HairpinRight, Header, Tokens as _},
    mcp::{ClientCapabilities, Revision},
    sessions::{Errand, Hairpin, MAX_INITIALIZE_BYTES, OpenError, ServerSession},
};
use serde_json::{Value, json};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#;
const REFUSED: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"not\ntoday"}}"#;

#[tokio::test]
async fn a_session_is_opened_from_json() {
    let server = Server::start(|_| Answer::json(OK).session("srv-1")).await;
    let opened =
        server.hairpin.open(errand(&[]), Revision::V2025_11_25, ClientCapabilities::default()).await.unwrap();
    assert_eq!(opened, ServerSession::new(b"srv-1", Revision::V2025_06_18).unwrap());

    let [initialize, initialized] = server.seen().try_into().expect("two requests");
    let body: Value = serde_json::from_slice(&initialize.body).unwrap();
    let client = json!({"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")});
    assert_eq!(body["method"], "initialize");
    assert_eq!(
        body["params"],
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
    );
    assert_eq!((initialize.method, initialize.uri.path()), (Method::POST, "/mcp"));
    assert!(!initialize.headers.contains_key("mcp-session-id"));
    assert!(!initialize.headers.contains_key("mcp-protocol-version"));
    let body: Value = serde_json::from_slice(&initialized.body).unwrap();
    assert_eq!(body, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(initialized.headers["mcp-session-id"], "srv-1");
    assert_eq!(initialized.headers["mcp-protocol-version"], "2025-06-18");
}

#[tokio::test]
async fn a_session_is_opened_from_an_event_stream_that_stays_open() {
    let events = format!(
        "id: 0\ndata:\n\n: ping\r\n\r\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\n\
         data: {{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{{\"code\":1,\"message\":\"another request's\"}}}}\n\n\
         event: message\r\ndata: {OK}\r\n\r\n"
    );
    let server = Server::start(move |_| {
        let pieces: Vec<_> = events.as_bytes().chunks(5).map(Bytes::copy_from_slice).collect();
        let open_ended = stream::iter(pieces).chain(stream::pending()).map(Ok::<_, std::io::Error>);
        Answer::new("text/event-stream", Body::from_stream(open_ended)).session("srv-1")
    })
    .await;
    let opened = server.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await;
    assert_eq!(opened, Ok(ServerSession::new(b"srv-1", Revision::V2025_06_18).unwrap()));
}

#[tokio::test]
async fn a_server_without_sessions_is_no_error() {
    let server = Server::start(|_| Answer::json(OK)).await;
    let opened =
        server.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await.unwrap();
    assert_eq!((opened.id(), opened.revision()), (None, Revision::V2025_06_18));
    let [_, initialized] = server.seen().try_into().expect("two requests");
    assert!(!initialized.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn only_end_to_end_fields_of_the_client_are_copied() {
    let server = Server::start(|_| Answer::json(OK).session("srv-1")).await;
    let copied = [
        ("authorization", "Bearer me"),
        ("x-request-id", "r-1"),
        ("traceparent", "00-1-2-01"),
        ("cookie", "a=b"),
    ];
    let left = [
        (":authority", "evil.example"),
        ("host", "evil.example"),
        ("mcp-session-id", "gateway-session"),
        ("mcp_session_id", "gateway-session"),
        ("mcp-method", "tools/call"),
        ("x-mcp-api-key", "stolen"),
        ("X_MCP_Routed", "forged"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-envoy-retry-on", "5xx"),
        ("accept-encoding", "gzip"),
        ("origin", "https://evil.example"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("last-event-id", "9"),
        ("sec-fetch-site", "cross-site"),
    ];
    let replaced = [
        ("user-agent", "curl"),
        ("accept", "*/*"),
        ("content-type", "text/plain"),
        ("x-mcp-hairpin", "forged"),
        ("x-mcp-servername", "forged"),
        ("content-length", "3"),
    ];
    let client: Vec<_> = [&copied[..], &left, &replaced].concat();
    server.hairpin.open(errand(&client), Revision::LATEST, ClientCapabilities::default()).await.unwrap();
    for Seen { headers, .. } in server.seen() {
        for (name, value) in copied {
            assert_eq!(headers[name], value);
        }
        let names: Vec<_> = headers.keys().map(|name| name.as_str().replace('_', "-")).collect();
        for (name, value) in left.iter().filter(|(name, _)| !matches!(*name, "host" | ":authority")) {
            let shown = headers.get_all(*name).iter().any(|found| found == value);
            assert!(!shown, "{name}");
        }
        for gone in
            ["x-mcp-routed", "x-mcp-api-key", "mcp-method", "origin", "content-encoding", "connection"]
        {
            assert!(!names.iter().any(|name| name == gone), "{gone}");
        }
        assert_eq!(headers["host"], "mcp.example.com");
        assert_eq!(headers["user-agent"], concat!("mcp-gateway/", env!("CARGO_PKG_VERSION")));
        assert_eq!(headers["accept"], "application/json, text/event-stream");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["x-mcp-servername"], "mcp-test/github");
        assert_eq!(headers["x-mcp-toolname"], "get_me");
        assert_eq!(server.sealer.open_hairpin(headers["x-mcp-hairpin"].as_bytes()), Some(right()));
        assert_eq!(headers.get_all("x-mcp-hairpin").iter().count(), 1);
    }
}

#[tokio::test]
async fn what_is_no_session_is_refused_and_says_why() {
    let event = |data: &str| Answer::new("text/event-stream", Body::from(format!("data: {data}\n\n")));
    let unknown = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"1999-01-01"}}"#;
    let too_long = "x".repeat(2_000);
    let unreadable = "the server's answer to `initialize` is no JSON-RPC response";
    let unsendable = "the session id is empty, longer than 1024 bytes or not visible ASCII";
    let repeats_the_key = || Answer::json(r#"{"id":1,"error":{"code":1,"message":"bad key sk-1"}}"#);
    let cases: Vec<(Answer, u16, &str)> = vec![
        (repeats_the_key().status(401), 401, "the server does not accept the credential"),
        (repeats_the_key().status(403), 403, "the server does not accept the credential"),
        (Answer::json(REFUSED), 200, "JSON-RPC error -32000"),
        (Answer::json(REFUSED).status(400), 400, "JSON-RPC error -32000"),
        (event(REFUSED), 200, "JSON-RPC error -32000"),
        (Answer::new("text/html", Body::from("<p>")).status(500), 500, ""),
        (Answer::json("{").status(404), 404, ""),
        (Answer::json("{}"), 200, unreadable),
        (Answer::json("not json"), 200, unreadable),
        (Answer::new("text/html", Body::from(OK)), 200, unreadable),
        (event("{}"), 200, unreadable),
        (Answer::json("").status(202), 202, unreadable),
        (Answer::json(unknown), 200, "the server speaks revision 1999-01-01 of MCP, the gateway does not"),
        (Answer::json(OK).session(""), 200, unsendable),
        (Answer::json(OK).session("a b"), 200, unsendable),
        (Answer::json(OK).session(&too_long), 200, unsendable),
        (Answer::json(OK).session("a").session("b"), 200, "the server gave two session ids"),
        (
            Answer::json("").status(307).field("location", "/mcp/"),
            307,
            "the server answered with a redirect, which is not followed",
        ),
    ];
    for (answer, status, text) in cases {
        let answer = Mutex::new(Some(answer));
        let server = Server::start(move |_| answer.lock().unwrap().take().expect("one request only")).await;
        let refused = server.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await;
        assert_eq!(refused, Err(OpenError::Refused { status, text: text.to_owned() }));
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read_to_its_end() {
    let endless = |start: &'static str| {
        let start = stream::iter([Bytes::from_static(start.as_bytes())]);
        let more = stream::repeat(Bytes::from(vec![b' '; 64 << 10]));
        Body::from_stream(start.chain(more).map(Ok::<_, std::io::Error>))
    };
    for (media, start) in
        [("application/json", "{"), ("text/event-stream", "data: "), ("text/event-stream", "data:\n\n: ")]
    {
        let server = Server::start(move |_| Answer::new(media, endless(start))).await;
        let refused = server
            .hairpin
            .open(errand(&[]), Revision::LATEST, ClientCapabilities::default())
            .await
            .unwrap_err();
        let OpenError::Refused { status: 200, text } = refused else { panic!("{refused:?}") };
        assert!(text.contains(&MAX_INITIALIZE_BYTES.to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_is_slow_is_given_up() {
    let silent = |_: &Seen| Answer::new("text/event-stream", Body::from_stream(stream::pending::<Piece>()));
    let server = Server::start(silent).await;
    let hairpin = hairpin(server.address, &server.sealer).with_deadline(Duration::from_millis(200));
    let late = hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await;
    assert_eq!(late, Err(OpenError::Unreachable("no answer within 0.2 s".to_owned())));
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable() {
    for status in [502, 503, 504] {
        let down =
            move |_: &Seen| Answer::new("text/plain", Body::from("no healthy upstream")).status(status);
        let server = Server::start(down).await;
        let unreachable =
            server.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await;
        assert_eq!(unreachable, Err(OpenError::Unreachable(format!("HTTP {status} instead of an answer"))));
    }
    let sealer = sealer();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let unreachable = hairpin(nobody, &sealer)
        .open(errand(&[]), Revision::LATEST, ClientCapabilities::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        unreachable.starts_with("the server cannot be reached: no connection to Envoy: "),
        "{unreachable}"
    );
}

#[tokio::test]
async fn a_session_lives_unless_a_ping_in_it_is_refused() {
    let session = ServerSession::new(b"srv-1", Revision::V2025_06_18).unwrap();
    for (status, lives) in
        [(200, Some(true)), (404, Some(false)), (400, Some(false)), (500, None), (503, None)]
    {
        let server = Server::start(move |_| Answer::json("{}").status(status)).await;
        assert_eq!(server.hairpin.ping(errand(&[]), &session).await.ok(), lives, "{status}");
        let [ping] = server.seen().try_into().expect("one request");
        assert_eq!(serde_json::from_slice::<Value>(&ping.body).unwrap()["method"], "ping");
        assert_eq!(ping.headers["mcp-session-id"], "srv-1");
    }
}

#[tokio::test]
async fn a_call_is_made_again_byte_for_byte_and_its_answer_streams() {
    let server = Server::start(|_| {
        let first = stream::iter([Bytes::from_static(b"data: 1\n\n")]);
        let open_ended = first.chain(stream::pending()).map(Ok::<_, std::io::Error>);
        Answer::new("text/event-stream", Body::from_stream(open_ended))
    })
    .await;
    let session = ServerSession::new(b"srv-2", Revision::V2025_06_18).unwrap();
    let body = br#"{ "jsonrpc":"2.0", "id": 1.0e0 }"#;
    let mut answer = server.hairpin.call(errand(&[]), &session, &body[..]).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let [call] = server.seen().try_into().expect("one request");
    assert_eq!(&*call.body, body);
    assert_eq!(call.headers["mcp-session-id"], "srv-2");
}

#[tokio::test]
async fn a_session_is_closed_at_its_server() {
    let session = ServerSession::new(b"srv-1", Revision::V2025_06_18).unwrap();
    for (status, closed) in [(200, true), (204, true), (404, true), (405, true), (401, false), (503, false)] {
        let server = Server::start(move |_| Answer::json("").status(status)).await;
        assert_eq!(server.hairpin.close(errand(&[]), &session).await.is_ok(), closed, "{status}");
        let [delete] = server.seen().try_into().expect("one request");
        assert_eq!((delete.method, delete.body.len()), (Method::DELETE, 0));
        assert_eq!(delete.headers["mcp-session-id"], "srv-1");
    }
}

#[test]
fn a_host_is_a_host_and_nothing_more() {
    let new = |private: &str, public: &str| Hairpin::new(private, public, sealer()).map(drop);
    for private in ["127.0.0.1:8001", "http://gateway:8001", "https://gateway.ns.svc:8443/", "[::1]:80"] {
        assert!(new(private, "mcp.example.com").is_ok(), "{private}");
    }
    for private in ["", "ftp://h", "http://h/path", "http://u:p@h", "h:port", "h?x"] {
        assert!(new(private, "mcp.example.com").is_err(), "{private}");
    }
    assert!(new("h:80", "evil\r\nx: 1").is_err());
}

#[tokio::test]
async fn requests_go_where_they_are_aimed_at_last() {
    let first = Server::start(|_| Answer::json(OK)).await;
    let other = Server::start(|_| Answer::json(OK)).await;
    first.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await.unwrap();
    first.hairpin.aim(&other.address.to_string(), "mcp.example.org").unwrap();
    first.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await.unwrap();
    assert!(first.hairpin.aim("a b", "mcp.example.org").is_err(), "and stay there");
    first.hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await.unwrap();
    assert_eq!((first.seen().len(), other.seen().len()), (2, 4));
    assert!(other.seen().iter().all(|seen| seen.headers["host"] == "mcp.example.org"));
}

#[tokio::test]
async fn over_tls_the_listener_is_asked_for_by_the_public_host() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let private = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let named = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut acceptor = rustls::server::Acceptor::default();
        loop {
            acceptor.read_tls(&mut connection).unwrap();
            if let Ok(Some(accepted)) = acceptor.accept() {
                return accepted.client_hello().server_name().map(str::to_owned);
            }
        }
    });
    let hairpin = Hairpin::new(&private, "mcp.example.com", sealer()).unwrap();
    let refused =
        hairpin.open(errand(&[]), Revision::LATEST, ClientCapabilities::default()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unreachable(_)), "it hangs up: {refused}");
    assert_eq!(named.join().unwrap().as_deref(), Some("mcp.example.com"));
}

// Fixture

type Piece = Result<Bytes, std::io::Error>;

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What the server says to one request.
struct Answer(Response<Body>);

impl Answer {
    fn new(media: &str, body: Body) -> Self {
        Self(Response::builder().header(CONTENT_TYPE, media).body(body).unwrap())
    }

    fn json(text: &str) -> Self {
        Self::new("application/json", Body::from(text.to_owned()))
    }

    fn status(mut self, status: u16) -> Self {
        *self.0.status_mut() = StatusCode::from_u16(status).unwrap();
        self
    }

    fn session(self, id: &str) -> Self {
        self.field("mcp-session-id", id)
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }
}

/// An HTTP endpoint in Envoy's place.
struct Server {
    address: SocketAddr,
    sealer: Arc<Sealer>,
    hairpin: Hairpin,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Endpoint {
    answer: Arc<dyn Fn(&Seen) -> Answer + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers with `answer`; notifications with 202.
    #[expect(clippy::disallowed_methods, reason = "ended with the test")]
    async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint { answer: Arc::new(answer), seen: Arc::default() };
        let seen = Arc::clone(&endpoint.seen);
        let app = Router::new().fallback(serve).with_state(endpoint);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let sealer = sealer();
        Self { address, hairpin: hairpin(address, &sealer), sealer, seen, serving }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    State(endpoint): State<Endpoint>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let seen = Seen { method, uri, headers, body };
    endpoint.seen.lock().unwrap().push(seen.clone());
    if seen.body.windows(14).any(|bytes| bytes == b"\"notifications") {
        return Answer::json("").status(202).0;
    }
    (endpoint.answer)(&seen).0
}

/// What one request is made for, on behalf of `client`.
fn errand<'a>(client: &'a [(&'a str, &'a str)]) -> Errand<'a> {
    let fields = client.iter().map(|(name, value)| Header { name, value: value.as_bytes() });
    Errand {
        right: Box::leak(Box::new(right())),
        headers: Vec::leak(fields.collect()),
        set: &[Header { name: "x-mcp-toolname", value: b"get_me" }],
    }
}

fn right() -> HairpinRight {
    HairpinRight { server: "mcp-test/github".into(), hostname: "github.mcp.local".into() }
}

fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(KeyRing::generate().unwrap(), clock::now))
}

fn hairpin(address: SocketAddr, sealer: &Arc<Sealer>) -> Hairpin {
    Hairpin::new(&address.to_string(), "mcp.example.com", Arc::clone(sealer)).unwrap()
}
