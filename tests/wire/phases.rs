//! Each order in which Envoy may send the messages of a request.

use std::time::Duration;

use envoy_types::pb::envoy::{
    extensions::filters::http::ext_proc::v3::{
        ProcessingMode,
        processing_mode::{BodySendMode, HeaderSendMode},
    },
    service::ext_proc::v3::{
        ProcessingRequest, processing_request::Request as Message, processing_response::Response as Reply,
    },
};
use tonic::Code;

use crate::{
    gateway::{BODY_LIMIT, Gateway},
    stream::{Exchange, GET_ME, NOW, POST, headers, with},
};

const BUFFERED: BodySendMode = BodySendMode::Buffered;
const DUPLEX: BodySendMode = BodySendMode::FullDuplexStreamed;

#[tokio::test]
async fn a_buffered_call_is_routed_when_its_body_has_come() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.headers(&with(&[("x-mcp-toolname", "forged")]), false).await;
    let head = exchange.request_headers_answer().await;
    assert!(head.removes("x-mcp-toolname") && !head.0.clear_route_cache, "{head:?}");

    exchange.body(NOW, true).await;
    let message = exchange.message().await;
    let Some(Reply::RequestBody(body)) = message.response else { panic!("{message:?}") };
    let answer = crate::stream::Answer(body.response.unwrap());
    assert_eq!(answer.set(":authority").unwrap(), "time.mcp.local");
    assert_eq!(answer.set(":path"), None, "it is the server's already");
    assert_eq!(answer.set("x-mcp-toolname").unwrap(), "now");
    assert!(answer.0.clear_route_cache && answer.body().is_none(), "{answer:?}");
    let metadata = format!("{:?}", message.dynamic_metadata.unwrap());
    assert!(metadata.contains("mcp_gateway") && metadata.contains("mcp-test/time"), "{metadata}");

    exchange.response_headers("200", false).await;
    assert!(exchange.response_headers_answer().await.removes("mcp-session-id"));
    exchange.ends().await;
}

#[tokio::test]
async fn what_is_not_a_call_goes_to_the_broker_and_ends_the_stream() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.headers(POST, false).await;
    exchange.request_headers_answer().await;
    exchange.body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, true).await;
    let answer = exchange.request_body_answer().await;
    assert_eq!(answer.set("x-mcp-servername").unwrap(), "mcpBroker");
    assert!(answer.set("x-mcp-routed").is_some() && answer.set(":authority").is_none());
    exchange.ends().await;
}

#[tokio::test]
async fn a_request_without_a_body_is_answered_in_one_message() {
    let gateway = Gateway::start().await;
    for mode in [BUFFERED, DUPLEX, BodySendMode::None] {
        let mut exchange = Exchange::open(&gateway, mode).await;
        exchange.headers(&with(&[(":method", "GET")]), true).await;
        let answer = exchange.request_headers_answer().await;
        assert!(answer.set("x-mcp-routed").is_some(), "{answer:?}");
        exchange.ends().await;
    }
}

#[tokio::test]
async fn another_applications_request_passes_untouched_and_unread() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.headers(&with(&[(":authority", "shop.example.com"), ("x-mcp-toolname", "theirs")]), false).await;
    let message = exchange.message().await;
    let skip = ProcessingMode {
        request_body_mode: BodySendMode::None.into(),
        response_body_mode: BodySendMode::None.into(),
        response_header_mode: HeaderSendMode::Skip.into(),
        ..ProcessingMode::default()
    };
    assert_eq!(message.mode_override, Some(skip));
    let Some(Reply::RequestHeaders(answer)) = message.response else { panic!("{message:?}") };
    let mutation = answer.response.unwrap().header_mutation.unwrap_or_default();
    assert!(mutation.set_headers.is_empty() && mutation.remove_headers.is_empty());
    exchange.ends().await;

    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    exchange.headers(&with(&[(":authority", "shop.example.com")]), false).await;
    exchange.request_headers_answer().await;
    exchange.body("ab", false).await;
    assert_eq!(exchange.request_body_answer().await.piece(), ("ab".to_owned(), false));
    exchange.body("c", true).await;
    assert_eq!(exchange.request_body_answer().await.piece(), ("c".to_owned(), true));
    exchange.ends().await;
}

#[tokio::test]
async fn a_body_that_envoy_would_not_send_is_asked_for() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, BodySendMode::None).await;
    exchange.headers(POST, false).await;
    let mode = exchange.message().await.mode_override.unwrap();
    assert_eq!((mode.request_body_mode(), mode.response_header_mode()), (BUFFERED, HeaderSendMode::Send));
    exchange.body(NOW, true).await;
    assert_eq!(exchange.request_body_answer().await.set(":authority").unwrap(), "time.mcp.local");
}

#[tokio::test]
async fn a_duplex_call_is_held_until_its_body_is_complete() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    let session = gateway.session(1);
    exchange.headers(&with(&[("mcp-session-id", &session)]), false).await;
    exchange.is_silent().await;
    let (first, rest) = GET_ME.split_at(30);
    exchange.body(first, false).await;
    exchange.is_silent().await;
    exchange.body(rest, true).await;
    let head = exchange.request_headers_answer().await;
    assert_eq!(head.set(":authority").unwrap(), "github.mcp.local");
    assert_eq!(head.set("x-mcp-api-key").unwrap(), "hunter2");
    assert_eq!(head.set("authorization").unwrap(), "Bearer hunter2");
    assert!(head.0.clear_route_cache, "{head:?}");
    let new = GET_ME.replace("github_", "");
    assert_eq!(exchange.request_body_answer().await.piece(), (new, true));
    exchange.response_headers("200", false).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
}

#[tokio::test]
async fn a_duplex_call_with_trailers_is_refused() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    let session = gateway.session(1);
    exchange.headers(&with(&[("mcp-session-id", &session)]), false).await;
    exchange.body(GET_ME, false).await;
    exchange.is_silent().await;
    exchange.trailers().await;
    let (status, body) = exchange.refused().await;
    assert!(status == 400 && body.contains("trailer"), "{status} {body}");
}

#[tokio::test]
async fn a_long_duplex_body_comes_back_in_pieces_that_make_it_up() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    let body =
        NOW.replace("{\"name\"", &format!(r#"{{"arguments":{{"a":"{}"}},"name""#, "x".repeat(200_000)));
    exchange.headers(POST, false).await;
    exchange.body(&body, true).await;
    exchange.request_headers_answer().await;
    let (mut whole, mut is_last) = (String::new(), false);
    while !is_last {
        let (piece, last) = exchange.request_body_answer().await.piece();
        assert!(piece.len() <= 64 << 10);
        whole += &piece;
        is_last = last;
    }
    assert_eq!(whole, body);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_never_an_early_end() {
    let gateway = Gateway::start().await;
    let unknown = NOW.replace("now", "nope");
    for mode in [BUFFERED, DUPLEX] {
        let mut exchange = Exchange::open(&gateway, mode).await;
        exchange.headers(POST, false).await;
        if mode == BUFFERED {
            exchange.request_headers_answer().await;
        }
        exchange.body(&unknown, true).await;
        let response = exchange.immediate().await;
        assert_eq!(response.details, "mcp_gateway_unknown_tool");
        assert_eq!(response.status.unwrap().code, 200);
        assert!(String::from_utf8(response.body).unwrap().contains("-32602"));
        exchange.ends().await;
    }
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.headers(&with(&[("origin", "https://evil.example.com")]), false).await;
    assert_eq!(exchange.refused().await.0, 403);

    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    exchange.headers(POST, false).await;
    let half = "x".repeat(BODY_LIMIT / 2 + 1);
    exchange.body(&half, false).await;
    exchange.body(&half, false).await;
    let (status, body) = exchange.refused().await;
    assert!(status == 413 && body.contains(r#""id":null"#), "{body}");
    assert!(gateway.metrics.render().unwrap().contains(r#"refusals_total{reason="body_too_large"} 1"#));
}

#[tokio::test]
async fn envoys_own_reply_is_let_by_at_any_time() {
    let gateway = Gateway::start().await;
    // a filter before the router has answered
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.response_headers("401", true).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
    // the body was larger than Envoy's buffer
    let mut exchange = Exchange::open(&gateway, BUFFERED).await;
    exchange.headers(POST, false).await;
    exchange.request_headers_answer().await;
    exchange.response_headers("413", false).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
    // the client was too slow
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    exchange.headers(POST, false).await;
    exchange.body("{", false).await;
    exchange.response_headers("408", true).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
}

#[tokio::test]
async fn messages_out_of_turn_end_in_an_error() {
    let gateway = Gateway::start().await;
    let head = || Message::RequestHeaders(headers(POST, false));
    let mut first_a_body = Exchange::open(&gateway, BUFFERED).await;
    first_a_body.body(NOW, true).await;
    assert_eq!(first_a_body.fails().await, Code::InvalidArgument);

    let mut first_trailers = Exchange::open(&gateway, BUFFERED).await;
    first_trailers.trailers().await;
    assert_eq!(first_trailers.fails().await, Code::InvalidArgument);

    let mut nothing = Exchange::open(&gateway, BUFFERED).await;
    nothing.send_raw(ProcessingRequest::default()).await;
    assert_eq!(nothing.fails().await, Code::InvalidArgument);

    let mut two_heads = Exchange::open(&gateway, BUFFERED).await;
    two_heads.send(head()).await;
    two_heads.request_headers_answer().await;
    two_heads.send(head()).await;
    assert_eq!(two_heads.fails().await, Code::InvalidArgument);

    let mut two_bodies = Exchange::open(&gateway, BUFFERED).await;
    two_bodies.send(head()).await;
    two_bodies.request_headers_answer().await;
    two_bodies.body(NOW, true).await;
    two_bodies.request_body_answer().await;
    two_bodies.body(NOW, true).await;
    assert_eq!(two_bodies.fails().await, Code::InvalidArgument);

    let mut response_body = Exchange::open(&gateway, BUFFERED).await;
    response_body.send(head()).await;
    response_body.request_headers_answer().await;
    response_body.response_body("x", true).await;
    assert_eq!(response_body.fails().await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_body_that_stops_short_does_not_end_in_ok() {
    let gateway = Gateway::start().await;
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    exchange.headers(POST, false).await;
    exchange.body("{", false).await;
    exchange.half_close();
    assert_eq!(exchange.fails().await, Code::Cancelled);
}

#[tokio::test]
async fn a_duplex_body_that_does_not_come_is_given_up() {
    let gateway = Gateway::start_patient(Duration::from_secs(1)).await;
    let mut exchange = Exchange::open(&gateway, DUPLEX).await;
    exchange.headers(POST, false).await;
    exchange.body("{", false).await;
    let (status, body) = exchange.refused().await;
    assert!(status == 408 && body.contains(r#""id":null"#), "{body}");
}
