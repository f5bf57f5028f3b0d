//! Idle event streams of clients (GET): their memory, and calls beside them.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    load::{CHECKED, calls, wrk},
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, median, mib, section},
};

/// Streams that stay open, each of a session of its own.
const STREAMS: usize = 2_000;
/// Before the first look.
const BEFORE: usize = 100;
/// Connections of the calls, in as many sessions.
const CONNECTIONS: usize = 32;
/// Rounds, each with streams and without.
const ROUNDS: usize = 5;
/// Of each round, for either.
const SECONDS: f64 = 2.0;

pub(crate) async fn run() -> String {
    let peers = Peers::start(1, 10, Streams::Refused).await;
    let (quiet, busy) = (Subject::start(&peers).await, Subject::start(&peers).await);
    let (_one, _other) = (quiet.envoy().await, busy.envoy().await);
    let mut open = Vec::new();
    for _ in 0..BEFORE {
        open.push(stream(&busy).await);
    }
    let before = busy.memory().own;
    for _ in 0..STREAMS {
        open.push(stream(&busy).await);
    }
    let grown = busy.memory().own.saturating_sub(before);
    eprintln!("scale: {STREAMS} streams: {grown} bytes");
    let (mut rates, mut slowest) = (Vec::new(), Vec::new());
    let mut errors = 0;
    let sessions: Vec<String> = (0..CONNECTIONS).map(|_| quiet.session()).collect();
    let script = format!("{}{CHECKED}", calls(&sessions, 1));
    for _ in 0..ROUNDS {
        let alone = wrk(&quiet.listen, CONNECTIONS, SECONDS, &script).await;
        let beside = wrk(&busy.listen, CONNECTIONS, SECONDS, &script).await;
        errors += alone.errors + beside.errors;
        rates.push(beside.rate() / alone.rate());
        slowest.push(beside.p99.as_secs_f64() / alone.p99.as_secs_f64());
    }
    section(
        "Idle event streams",
        &format!(
            "{} GET streams at the broker, nothing to say on any; calls through Envoy with {CONNECTIONS} connections beside \
             them, as a ratio to a gateway without streams, in {ROUNDS} interleaved rounds.",
            count(STREAMS)
        ),
        &["streams", "MiB", "bytes a stream", "rate of calls", "p99 of calls", "errors"],
        &[vec![
            count(STREAMS),
            mib(grown),
            count(grown / STREAMS),
            format!("{:.2}", median(&rates)),
            format!("{:.2}", median(&slowest)),
            count(errors),
        ]],
    )
}

/// An open stream: its head has been read.
async fn stream(subject: &Subject) -> TcpStream {
    let mut connection = TcpStream::connect(&subject.gateway.broker).await.unwrap();
    let request = format!(
        "GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\nx-mcp-routed: {}\r\nmcp-session-id: {}\r\n\r\n",
        subject.routed(),
        subject.session()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        assert!(connection.read_buf(&mut head).await.unwrap() > 0, "{}", String::from_utf8_lossy(&head));
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    connection
}
