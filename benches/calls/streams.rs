//! Event streams: how much later their first byte comes, and that nothing keeps an event back.

use std::{fmt::Write as _, sync::Arc};

use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};

use crate::{
    call::{self, Tool, progress},
    fleet::{Endpoint, Fleet},
    nginx::Nginx,
    plan::{self, Variant},
    report::median,
    server::{McpServer, SLOW_EVENTS},
};

/// Calls of each variant.
const CALLS: usize = 500;
const CALL_BYTES: usize = 256;
const VARIANTS: [Variant; 5] =
    [Variant::Envoy, Variant::NoOp, Variant::Gateway, Variant::GatewayPrefix, Variant::GatewayReads];

/// Measures, checks, and says it.
pub(crate) async fn section(nginx: &Nginx, server: &McpServer) -> String {
    eprintln!("calls: event streams");
    let fleet = Fleet::start(plan::BASE, &VARIANTS, nginx, server).await;
    let mut clients = Vec::new();
    for variant in VARIANTS {
        let endpoint = fleet.endpoint(variant);
        assert_nothing_is_kept_back(variant, endpoint, &server.arrived).await;
        clients.push((variant, Client::connect(endpoint).await, Vec::new()));
    }
    for _ in 0..CALLS {
        for (_, client, delays) in &mut clients {
            delays.push(client.first_byte().await);
        }
    }
    let mut page = format!(
        "\n### First byte of an event stream\n\nMedian of {CALLS} calls on one connection each, taking turns, from the call to \
         the first byte of the stream's body. The stream of {SLOW_EVENTS} events of 1 KiB, each sent when the client has the \
         one before, came whole through all of them.\n\n| | ms | later than Envoy alone, ms |\n| --- | --- | --- |\n"
    );
    let medians: Vec<(Variant, f64)> =
        clients.into_iter().map(|(variant, _, delays)| (variant, median(delays))).collect();
    for &(variant, delay) in &medians {
        _ = writeln!(page, "| {variant} | {delay:.3} | {:.3} |", delay - medians[0].1);
    }
    eprint!("{page}");
    page
}

/// Whoever kept an event back would never get the next one.
async fn assert_nothing_is_kept_back(variant: Variant, endpoint: &Endpoint, arrived: &Arc<Notify>) {
    let answer = endpoint.post(Tool::Slow, call::body(&endpoint.tool(Tool::Slow), CALL_BYTES)).await;
    assert_eq!(answer.status(), 200, "{variant}");
    let (mut stream, mut got, mut events) = (answer.bytes_stream(), Vec::new(), 0);
    while let Some(piece) = stream.next().await {
        got.extend_from_slice(&piece.unwrap_or_else(|error| panic!("{variant}, {events} events: {error}")));
        // the next one comes when this one has
        if got.ends_with(b"\n\n") {
            events += 1;
            arrived.notify_one();
        }
    }
    let sent: String = (0..SLOW_EVENTS).map(progress).collect();
    assert!(got == sent.as_bytes(), "{variant}: {events} of {SLOW_EVENTS} events came, or others");
}

/// A connection that is used again for each call.
struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    length: usize,
}

impl Client {
    async fn connect(endpoint: &Endpoint) -> Self {
        let url = endpoint.url(Tool::Sse1K);
        let (address, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
        let body = call::body(&endpoint.tool(Tool::Sse1K), CALL_BYTES);
        let head = format!(
            "POST /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-session-id: {}\r\n\
             mcp-protocol-version: 2025-06-18\r\ncontent-length: {}\r\n\r\n",
            endpoint.session,
            body.len()
        );
        let socket = TcpStream::connect(address).await.expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        let length = Tool::Sse1K.file().expect("a file").len();
        Self { socket, request: [head.into_bytes(), body].concat(), length }
    }

    /// Milliseconds from the call to the first byte of the body; reads the rest.
    async fn first_byte(&mut self) -> f64 {
        let begin = Instant::now();
        self.socket.write_all(&self.request).await.expect("the request is taken");
        let (mut got, mut first) = (Vec::new(), None);
        loop {
            let read = self.socket.read_buf(&mut got).await.expect("an answer");
            assert!(read > 0, "the connection was closed: {}", String::from_utf8_lossy(&got));
            let Some(head) = got.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
            let body = &got[head + 4..];
            if first.is_none() && !body.is_empty() {
                assert!(got.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&got));
                first = Some(begin.elapsed());
            }
            let chunked = got[..head].windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked"));
            if if chunked { body.ends_with(b"0\r\n\r\n") } else { body.len() == self.length } {
                return first.expect("a body").as_secs_f64() * 1e3;
            }
        }
    }
}
