//! What clients and servers try that mean harm: requests that two readers could read differently, tokens in the wrong
//! place, servers that lie. Each table runs against one gateway.

use std::{fmt::Write as _, time::Duration};

use mcp_gateway::{
    clock::{self, UnixTime},
    credentials::{KeyRing, Sealer},
    exchange::{HairpinRight, Tokens},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    common::{PythonServer, eventually},
    hostile::Hostile,
    raw::{call, request},
    setting::{Setting, Shape, config, in_shapes, one_server, server, through_envoy},
};

in_shapes! {
    no_spelling_of_a_request_finds_another_way: Buffered, Buffered136, Duplex;
    trailers_carry_nothing_to_a_server: Buffered, Duplex;
    a_header_too_large_for_what_comes_on_top_is_refused: Buffered, Duplex;
    a_token_is_good_for_one_purpose: Buffered, Duplex;
    a_server_that_means_harm_harms_nobody: Buffered, Duplex;
    no_secret_is_logged_at_any_level: Buffered, Duplex;
    a_gateway_that_dies_lets_nothing_through: Buffered, Duplex;
}

/// One request on a connection of its own, as it is; the status of the answer, `0` where Envoy just hangs up.
async fn status_of(listen: &str, request: &[u8]) -> u16 {
    let mut socket = TcpStream::connect(listen).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), async {
        while !answer.windows(4).any(|end| end == b"\r\n\r\n")
            && socket.read_buf(&mut answer).await.is_ok_and(|read| read > 0)
        {}
    });
    read.await.unwrap_or_else(|_| panic!("no answer to {}", request.escape_ascii()));
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// A POST in HTTP/1.1, framed by its content-length.
fn post(target: &str, hosts: &[&str], more: &str, body: &str) -> Vec<u8> {
    let mut head =
        format!("POST {target} HTTP/1.1\r\ncontent-type: application/json\r\nconnection: close\r\n");
    for host in hosts {
        write!(head, "host: {host}\r\n").unwrap();
    }
    write!(head, "content-length: {}\r\n{more}\r\n{body}", body.len()).unwrap();
    head.into_bytes()
}

/// A call, spelled in every way that a careless reader might take for another one.
struct Speller {
    /// Host and port of Envoy.
    own: String,
    /// The header field of the session.
    session: String,
    body: String,
}

/// Requests, and the statuses that may answer each.
type Cases = Vec<(Vec<u8>, &'static [u16])>;

impl Speller {
    fn at(&self, target: &str, host: &str) -> Vec<u8> {
        post(target, &[host], &self.session, &self.body)
    }

    fn with(&self, field: &str) -> Vec<u8> {
        post("/mcp", &[&self.own], &format!("{}{field}\r\n", self.session), &self.body)
    }

    fn verb(&self, verb: &str) -> Vec<u8> {
        let text = String::from_utf8(self.at("/mcp", &self.own)).unwrap();
        text.replacen("POST", verb, 1).into_bytes()
    }

    fn websocket(&self) -> Vec<u8> {
        let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13";
        format!("GET /mcp HTTP/1.1\r\nhost: {}\r\n{upgrade}\r\n\r\n", self.own).into_bytes()
    }

    fn framing(&self) -> Cases {
        vec![
            (self.with("transfer-encoding: chunked"), &[0, 400]),
            (self.with("transfer-encoding: identity"), &[0, 400, 501]),
            (self.with("content-length: 5"), &[0, 400]),
            (self.with("content-length: +5"), &[0, 400]),
            (self.with("x y: z"), &[0, 400]),
            (self.with("mcp-session-id : x"), &[0, 400]),
            (self.with("x: a\0b"), &[0, 400]),
        ]
    }

    fn hosts(&self) -> Cases {
        let own = &*self.own;
        vec![
            (self.at("http://python.mcp.local/mcp", own), &[403]),
            (self.at("http://evil.example/mcp", own), &[404]),
            (self.at("/mcp", "python.mcp.local:x"), &[403]),
            (self.at("/mcp", "python.mcp.local:"), &[403]),
            (self.at("/mcp", "Python.MCP.local:80"), &[403]),
            (self.at("/mcp", "python.mcp.local."), &[404]),
            (self.at("/mcp", "a@python.mcp.local"), &[404]),
            (self.at("/mcp", "python.mcp.local@127.0.0.1"), &[404]),
            (self.at("/mcp", "127.0.0.1:x"), &[404]),
            (self.at("/mcp", "127.0.0.1."), &[404]),
            (self.at("/mcp", "[::1]:80"), &[404]),
            (self.at("/mcp", ""), &[404, 400]),
            (self.at("/mcp", "127.0.0.1/mcp"), &[0, 400]),
            (post("/mcp", &[own, "python.mcp.local"], &self.session, &self.body), &[0, 400, 404]),
            (post("/mcp", &["python.mcp.local", own], &self.session, &self.body), &[0, 400, 404]),
            (post("/mcp", &[], &self.session, &self.body), &[0, 400]),
        ]
    }

    fn paths(&self) -> Cases {
        let own = &*self.own;
        vec![
            (self.at("/mcp;x", own), &[404]),
            (self.at("/MCP", own), &[404]),
            (self.at("/mcp%2f", own), &[400]),
            (self.at("/mcp%5c..", own), &[400]),
            (self.at("/mcp%00", own), &[400]),
            (self.at("/mcp#x", own), &[400]),
            (self.at("/mcp/virtual/../..", own), &[404]),
            (self.at("/mcp/virtual/ns%2fname", own), &[400]),
            (self.at("/mcp/virtual/ns/name", own), &[404]),
            (self.at("mcp", own), &[0, 400]),
        ]
    }

    fn verbs(&self) -> Cases {
        vec![
            (self.verb("PUT"), &[405]),
            (self.verb("OPTIONS"), &[405]),
            (self.verb("TRACE"), &[405]),
            (self.verb("HEAD"), &[405]),
            (self.verb("PATCH"), &[405]),
            (self.verb("post"), &[0, 400, 405]),
            (self.verb("CONNECT"), &[0, 400]),
            (self.websocket(), &[403]),
        ]
    }

    fn fields(&self) -> Cases {
        vec![
            (self.with(self.session.trim_end()), &[400]),
            (self.with("content-type: text/plain"), &[415]),
            (self.with("content-encoding: identity, gzip"), &[415]),
            (self.with("origin: http://127.0.0.1\r\norigin: https://evil.example"), &[403]),
            (self.with("mcp-protocol-version: 2025-06-18\r\nmcp-protocol-version: 1"), &[400]),
            (self.with("mcp-protocol-version: \u{ff}"), &[400]),
        ]
    }

    /// What says in other words what is served anyway.
    fn served(&self) -> Vec<Vec<u8>> {
        let own = &*self.own;
        let targets = [
            self.at(&format!("http://{own}/mcp"), "python.mcp.local"),
            self.at("//mcp", own),
            self.at("/x/../mcp?y=/mcp/virtual/a/b", own),
        ];
        let fields = [
            "x-forwarded-host: evil.example",
            "x-original-url: /admin",
            "x-envoy-original-path: /admin",
            "x-http-method-override: DELETE",
            "x-envoy-retry-on: 5xx,retriable-4xx\r\nx-envoy-max-retries: 9",
            "x-envoy-upstream-rq-timeout-ms: 1",
            "expect: 100-continue",
            "forwarded: host=evil.example",
        ];
        targets.into_iter().chain(fields.map(|field| self.with(field))).collect()
    }
}

/// What is refused is refused before the server; what is served goes where it always goes.
async fn no_spelling_of_a_request_finds_another_way(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = format!("mcp-session-id: {}\r\n", setting.session().await);
    let body = call(1, "py_add", json!({"a": 1, "b": 2}));
    let own = setting.listen.clone();
    let speller = Speller { own, session, body };
    let before = through_envoy(&python);
    let cases =
        [speller.framing(), speller.hosts(), speller.paths(), speller.verbs(), speller.fields()].concat();
    let statuses = cases.iter().map(|(request, _)| status_of(&setting.listen, request));
    let statuses = futures_util::future::join_all(statuses).await;
    for ((request, expected), status) in cases.iter().zip(statuses) {
        assert!(expected.contains(&status), "{status}: {}", request.escape_ascii());
    }
    assert_eq!(through_envoy(&python), before);
    for request in speller.served() {
        let status = status_of(&setting.listen, &request).await;
        assert!(matches!(status, 100 | 200), "{status}: {}", request.escape_ascii());
    }
    let host = format!("127.0.0.1:{}", python.port);
    for seen in python.requests() {
        assert_eq!((&seen["path"], &seen["headers"]["host"]), (&json!("/mcp"), &json!(host)), "{seen}");
        let mut names = seen["headers"].as_object().unwrap().keys();
        assert!(names.all(|name| !name.starts_with("x-envoy-")), "{seen}");
    }
}

/// One frame of HTTP/2 on stream `stream`.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = payload.len().to_be_bytes();
    [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Header fields as HPACK literals, each shorter than 127 bytes.
fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// Behind a route with retries, Envoy sends a body that a processor has held twice if trailers follow it.
async fn trailers_carry_nothing_to_a_server(shape: Shape) {
    let python = PythonServer::start(&["--stateless", "--json"]).await;
    let setting = Setting::start(shape, &server("python", &python.url(), "py_")).await;
    setting.discovered("test/python").await;
    let before = through_envoy(&python);
    let head = literals(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", &setting.listen),
        (":path", "/mcp"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]);
    let trailers = literals(&[("x-mcp-api-key", "forged"), ("x-mcp-authorized", "forged")]);
    let body = call(1, "py_headers", json!({}));
    let mut socket = TcpStream::connect(&setting.listen).await.unwrap();
    let frames = [frame(4, 0, 0, b""), frame(1, 4, 1, &head), frame(0, 0, 1, body.as_bytes())].concat();
    socket
        .write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frames, &frame(1, 5, 1, &trailers)].concat())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("}}") {
        assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "{}", answer.escape_ascii());
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(!answer.contains("forged"), "{answer}");
    if matches!(shape, Shape::Duplex) {
        assert!(answer.contains("trailer fields are not supported"), "{answer}");
        assert_eq!(through_envoy(&python), before);
    } else {
        assert!(answer.contains(r#""result""#), "{answer}");
        assert_eq!(through_envoy(&python), before + 1);
    }
}

/// Envoy itself would say 500 where the fields that the router adds are too many or too large.
async fn a_header_too_large_for_what_comes_on_top_is_refused(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let good = call(1, "py_add", json!({"a": 1, "b": 2}));
    let many = |count: usize| (0..count).map(|number| (format!("x-{number}"), String::new())).collect();
    let large = |bytes: usize| vec![("x-large".to_owned(), "y".repeat(bytes))];
    let cases: [(Vec<(String, String)>, u16); 6] = [
        (many(70), 200),
        (many(78), 431),
        (many(85), 431),
        (large(39 << 10), 200),
        (large(41 << 10), 431),
        (large(58 << 10), 431),
    ];
    for (fields, status) in &cases {
        let mut headers: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        headers.push(("mcp-session-id", &session));
        let answer = setting.post(&headers, good.clone()).await;
        assert_eq!(answer.status, *status, "{} fields: {answer:?}", fields.len());
        if *status == 431 {
            answer.assert_refused(431, -32600, &Value::Null);
        }
    }
    let before = through_envoy(&python);
    for length in [300, 70_000] {
        let unknown = request(7, &"m".repeat(length), json!({}));
        let answer = setting.post(&[("mcp-session-id", &session)], unknown).await;
        answer.assert_refused(200, -32601, &json!(7));
    }
    assert_eq!(through_envoy(&python), before);
}

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

async fn a_token_is_good_for_one_purpose(shape: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY).unwrap();
    let python = PythonServer::start(&[]).await;
    let config = config(&server("python", &python.url(), "py_"));
    let setting = Setting::start_with(shape, &config, &["--session-key-file", keys.to_str().unwrap()]).await;
    setting.discovered("test/python").await;
    let session = setting.session().await;
    let sealer = Sealer::new(KeyRing::parse(KEY).unwrap(), clock::now);
    let long_ago = Sealer::new(KeyRing::parse(KEY).unwrap(), || UnixTime(1));
    let another = Sealer::new(KeyRing::generate().unwrap(), clock::now);
    let right =
        |server: &str, hostname: &str| HairpinRight { server: server.into(), hostname: hostname.into() };
    let python_right = right("test/python", "python.mcp.local");
    let hairpin = sealer.seal_hairpin(&python_right);
    let routed = sealer.seal_routed(&[]);
    let before = through_envoy(&python);
    for refused in [
        &session,
        &routed,
        &hairpin[..hairpin.len() - 1],
        &hairpin.repeat(40),
        &long_ago.seal_hairpin(&python_right),
        &another.seal_hairpin(&python_right),
        &sealer.seal_hairpin(&right("test/python", "other.mcp.local")),
        &sealer.seal_hairpin(&right("test/removed", "removed.mcp.local")),
    ] {
        let answer = setting.post(&[("x-mcp-hairpin", refused)], request(1, "ping", json!({}))).await;
        answer.assert_refused(403, -32600, &Value::Null);
    }
    for unknown in [&hairpin, &routed, &another.seal_routed(&[])] {
        setting.call(unknown, "py_add", json!({"a": 1, "b": 2})).await.assert_refused(404, -32600, &json!(1));
    }
    assert_eq!(through_envoy(&python), before);
    // the broker itself, without Envoy
    let broker = format!("http://{}/mcp", setting.gateway.broker);
    for (token, status) in
        [("", 403), (&*session, 403), (&*hairpin, 403), (&*long_ago.seal_routed(&[]), 403), (&*routed, 200)]
    {
        let post = setting.http.post(&broker).header("x-mcp-routed", token);
        let list = post.header("content-type", "application/json").body(request(1, "tools/list", json!({})));
        assert_eq!(list.send().await.unwrap().status(), status, "{token}");
    }
    // what a hairpin right can do, for the seconds that it lives, if it leaks: reach the one server it names
    let answer = setting.post(&[("x-mcp-hairpin", &hairpin)], request(1, "ping", json!({}))).await;
    assert_ne!(answer.status, 403, "{answer:?}");
    eventually("the server has seen it", async || (through_envoy(&python) == before + 1).then_some(())).await;
}

async fn a_server_that_means_harm_harms_nobody(shape: Shape) {
    let hostile = Hostile::start().await;
    let setting = Setting::start(shape, &server("hostile", &hostile.url(), "h_")).await;
    setting.discovered("test/hostile").await;
    let tools =
        setting.post(&[], request(1, "tools/list", json!({}))).await.json()["result"]["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 1, "names that no header can carry are not offered: {tools}");
    for (behaviour, status, calls) in [
        ("well", 200, 1),
        ("404 for ever", 404, 2),
        ("400 for ever", 400, 2),
        ("redirect", 502, 1),
        ("redirect after 404", 502, 2),
        ("odd session id", 502, 0),
        ("two session ids", 502, 0),
        ("endless header", 503, 0),
        ("repeats the key", 502, 0),
    ] {
        hostile.behave(behaviour);
        let session = setting.session().await;
        let before = hostile.calls();
        let answer = setting.call(&session, "h_t", json!({})).await;
        assert_eq!((answer.status, hostile.calls() - before), (status, calls), "{behaviour}: {answer:?}");
        let shown = format!("{answer:?}");
        assert!(
            !shown.contains("hostile-session") && !shown.contains("evil.example"),
            "{behaviour}: {shown}"
        );
    }
    let log = setting.gateway.process.log();
    assert!(!log.contains("repeated-key") && !log.contains("hostile-session"), "{log}");
}

async fn no_secret_is_logged_at_any_level(shape: Shape) {
    let mut python = PythonServer::start(&[]).await;
    let line = format!(
        "  - {{name: test/python, url: \"{}\", hostname: python.mcp.local, toolPrefix: py_, credential: \"Bearer s3cr3t-key\"}}\n",
        python.url()
    );
    let setting = Setting::start_with(shape, &config(&line), &["--log-level", "trace"]).await;
    setting.discovered("test/python").await;
    let session = setting.session().await;
    let mut secrets = vec!["s3cr3t-key".to_owned(), session.clone(), "cl1ent-key".to_owned()];
    let headers = [("mcp-session-id", &*session), ("authorization", "Bearer cl1ent-key")];
    for round in 0..2 {
        let answer = setting.post(&headers, call(1, "py_add", json!({"a": round, "b": 2}))).await;
        assert_eq!(answer.result(), json!(round + 2));
        let ids = python.requests();
        secrets
            .extend(ids.iter().filter_map(|seen| seen["headers"]["mcp-session-id"].as_str().map(Into::into)));
        python.restart().await;
    }
    setting.http.delete(setting.url()).header("mcp-session-id", &session).send().await.unwrap();
    let shown = setting.shown().await;
    assert!(shown.contains("TRACE") && secrets.len() > 4);
    for secret in secrets {
        assert!(!shown.contains(&secret), "{secret} is shown");
    }
}

async fn a_gateway_that_dies_lets_nothing_through(shape: Shape) {
    let (mut setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    assert_eq!(setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await.status, 200);
    let before = through_envoy(&python);
    // half a body is there: the router has answered the head
    let body = call(1, "py_add", json!({"a": 1, "b": 2}));
    let (first, rest) = body.split_at(20);
    let mut socket = TcpStream::connect(&setting.listen).await.unwrap();
    let mut head = post("/mcp", &[&setting.listen], &format!("mcp-session-id: {session}\r\n"), &body);
    head.truncate(head.len() - rest.len());
    assert!(head.ends_with(first.as_bytes()));
    socket.write_all(&head).await.unwrap();
    eventually("the router has the request", async || {
        let metrics = setting.gateway.page("/metrics").await;
        metrics.contains("mcp_gateway_streams_open 1").then_some(())
    })
    .await;
    setting.gateway.process.kill();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("jsonrpc"), "{answer}");
    // and those that come while it is away
    let answer = setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await;
    answer.assert_refused(500, -32603, &Value::Null);
    assert_eq!(through_envoy(&python), before);
}
