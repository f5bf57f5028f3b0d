//! Readiness, health, peers that go away, and the end.

use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode;
use mcp_gateway::ext_proc::Listen;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    gateway::{Gateway, SOON},
    stream::{Exchange, NOW, POST, channel},
};

#[tokio::test]
async fn without_routes_every_request_is_told_to_come_again() {
    let gateway = Gateway::start_on("127.0.0.1:0".parse().unwrap()).await;
    let mut exchange = Exchange::open(&gateway, BodySendMode::Buffered).await;
    exchange.headers(POST, false).await;
    let (status, body) = exchange.refused().await;
    assert!(status == 503 && body.contains("jsonrpc"), "{body}");
}

#[tokio::test]
async fn health_follows_readiness() {
    let gateway = Gateway::start().await;
    let mut client = HealthClient::new(channel(&gateway.address).await);
    for (is_ready, expected) in
        [(true, ServingStatus::Serving), (false, ServingStatus::NotServing), (true, ServingStatus::Serving)]
    {
        gateway.ready.send(is_ready).unwrap();
        for service in ["", "envoy.service.ext_proc.v3.ExternalProcessor"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let asked = async {
                loop {
                    if client.check(request.clone()).await.unwrap().into_inner().status() == expected {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            };
            timeout(SOON, asked).await.expect("health does not follow");
        }
    }
}

#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_the_router() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("router.sock");
    let mut gateway = Gateway::start_on(Listen::Unix(path.clone())).await;
    let channel =
        Endpoint::from_shared(format!("unix://{}", path.display())).unwrap().connect().await.unwrap();
    let mut exchange = Exchange::on(channel, BodySendMode::Buffered).await;
    exchange.headers(POST, false).await;
    assert_eq!(exchange.refused().await.0, 503);
    drop(exchange);
    gateway.stop.cancel();
    gateway.has_stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_peer_that_goes_away_leaves_nothing_behind() {
    let gateway = Gateway::start().await;
    let connection = channel(&gateway.address).await;
    for mode in [BodySendMode::Buffered, BodySendMode::FullDuplexStreamed] {
        let mut exchange = Exchange::on(connection.clone(), mode).await;
        exchange.headers(POST, false).await;
        if mode == BodySendMode::Buffered {
            exchange.request_headers_answer().await;
        }
        drop(exchange);
    }
    let closed = async {
        while !gateway.metrics.render().unwrap().contains("mcp_gateway_streams_open 0") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, closed).await.expect("streams stay open");
    let text = gateway.metrics.render().unwrap();
    assert!(text.contains(r#"mcp_gateway_exchanges_total{outcome="Abandoned"} 2"#), "{text}");
}

#[tokio::test]
async fn exchanges_in_flight_end_before_the_router_does() {
    let mut gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, BodySendMode::Buffered).await;
    exchange.headers(POST, false).await;
    exchange.request_headers_answer().await;
    gateway.stop.cancel();
    let Listen::Tcp(address) = gateway.address else { panic!("not a TCP address") };
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(SOON, refused).await.expect("it still accepts connections");

    exchange.body(NOW, true).await;
    assert_eq!(exchange.request_body_answer().await.set(":authority").unwrap(), "time.mcp.local");
    exchange.response_headers("200", false).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
    drop(exchange);
    gateway.has_stopped().await;
}

#[tokio::test]
async fn clients_that_leave_do_not_end_the_connection_of_the_others() {
    const LEAVING: u32 = 2_000;
    let gateway = Gateway::start().await;
    let Listen::Tcp(address) = &gateway.address else { panic!("a TCP port") };
    let mut envoy = TcpStream::connect(address).await.unwrap();
    let mut burst = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    burst.extend(frame(SETTINGS, 0, 0, b""));
    let head: Vec<u8> = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/envoy.service.ext_proc.v3.ExternalProcessor/Process"),
        ("content-type", "application/grpc"),
    ]
    .into_iter()
    .flat_map(|(name, value)| literal(name, value))
    .collect();
    for number in 0..LEAVING {
        // as Envoy does when its client has gone: before the router has seen the request
        let stream = 2 * number + 1;
        burst.extend(frame(HEADERS, END_HEADERS, stream, &head));
        burst.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    burst.extend(frame(PING, 0, 0, b"are you "));
    envoy.write_all(&burst).await.unwrap();
    let answered = async {
        loop {
            let mut head = [0; 9];
            envoy.read_exact(&mut head).await.expect("the connection has ended");
            let [high, middle, low, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
            envoy.read_exact(&mut payload).await.unwrap();
            assert_ne!(kind, GOAWAY, "{}", payload.escape_ascii());
            if (kind, flags) == (PING, ACK) {
                return;
            }
        }
    };
    timeout(SOON, answered).await.expect("the router is silent");
}

// Frame types, flags and an error code (RFC 9113, sections 6 and 7).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field as it is, without a table (RFC 7541, section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}
