//! Sessions at servers: opened when first needed, replaced when lost, and the call made again.

use std::sync::atomic::Ordering::SeqCst;

use envoy_types::pb::envoy::{
    extensions::filters::http::ext_proc::v3::processing_mode::{BodySendMode, HeaderSendMode},
    service::ext_proc::v3::processing_response::Response as Reply,
};

use crate::{
    gateway::Gateway,
    stream::{Answer, Exchange, GET_ME, with},
};

/// A call of `github_get_me` in gateway session 1, as far as the server; the answer to its last request message.
async fn call(gateway: &Gateway, mode: BodySendMode) -> (Exchange, Answer) {
    let mut exchange = Exchange::open(gateway, mode).await;
    let session = gateway.session(1);
    exchange.headers(&with(&[("mcp-session-id", &session)]), false).await;
    if mode == BodySendMode::Buffered {
        exchange.request_headers_answer().await;
        exchange.body(GET_ME, true).await;
        let answer = exchange.request_body_answer().await;
        return (exchange, answer);
    }
    exchange.body(GET_ME, true).await;
    let answer = exchange.request_headers_answer().await;
    exchange.request_body_answer().await;
    (exchange, answer)
}

/// The body that `github_get_me` is sent with.
fn sent() -> String {
    GET_ME.replace("github_", "")
}

#[tokio::test]
async fn a_server_session_is_opened_once_and_kept() {
    let gateway = Gateway::start().await;
    for _ in 0..2 {
        let (mut exchange, answer) = call(&gateway, BodySendMode::Buffered).await;
        assert_eq!(answer.set("mcp-session-id").unwrap(), "srv-1");
        assert_eq!(answer.set("mcp-protocol-version").unwrap(), "2025-06-18");
        assert_eq!(answer.body().unwrap(), sent());
        assert_eq!(answer.set("content-length").unwrap(), sent().len().to_string());
        exchange.response_headers("200", false).await;
        let answer = exchange.response_headers_answer().await;
        assert!(answer.removes("mcp-session-id"), "{answer:?}");
        exchange.ends().await;
    }
    assert_eq!(gateway.upstream.opened.load(SeqCst), 1);
}

#[tokio::test]
async fn a_lost_session_is_replaced_and_the_new_answer_streams() {
    let gateway = Gateway::start().await;
    let (mut exchange, _) = call(&gateway, BodySendMode::Buffered).await;
    gateway.upstream.lost.store(1, SeqCst);
    exchange.response_headers("404", false).await;

    let message = exchange.message().await;
    let mode = message.mode_override.unwrap();
    assert_eq!(mode.request_body_mode(), BodySendMode::Buffered);
    assert_eq!(mode.response_body_mode(), BodySendMode::FullDuplexStreamed);
    assert_eq!(mode.response_trailer_mode(), HeaderSendMode::Send);
    let Some(Reply::ResponseHeaders(headers)) = message.response else { panic!("{message:?}") };
    let head = Answer(headers.response.unwrap());
    assert_eq!(head.set(":status").unwrap(), "200");
    assert_eq!(head.set("content-type").unwrap(), "text/event-stream");
    assert!(head.removes("content-length") && head.removes("mcp-session-id"), "{head:?}");

    exchange.response_body("gone", true).await;
    let (mut body, mut is_last) = (String::new(), false);
    while !is_last {
        let Reply::ResponseBody(piece) = exchange.reply().await else { panic!("not a piece") };
        let (piece, last) = Answer(piece.response.unwrap()).piece();
        body += &piece;
        is_last = last;
    }
    assert_eq!(body, format!("data: {}\n\n", sent()));
    exchange.ends().await;
    assert_eq!((gateway.upstream.opened.load(SeqCst), gateway.upstream.calls.load(SeqCst)), (2, 1));

    let (_, next) = call(&gateway, BodySendMode::Buffered).await;
    assert_eq!(next.set("mcp-session-id").unwrap(), "srv-2");
}

#[tokio::test]
async fn where_envoy_holds_no_body_or_is_in_duplex_the_new_answer_comes_whole() {
    for (mode, end_of_stream) in [(BodySendMode::Buffered, true), (BodySendMode::FullDuplexStreamed, false)] {
        let gateway = Gateway::start().await;
        let (mut exchange, _) = call(&gateway, mode).await;
        gateway.upstream.lost.store(1, SeqCst);
        exchange.response_headers("404", end_of_stream).await;
        assert_eq!(exchange.refused().await, (200, format!("data: {}\n\n", sent())));
    }
}

#[tokio::test]
async fn envoy_is_asked_to_wait_for_a_slow_replay() {
    for (mode, end_of_stream) in [(BodySendMode::Buffered, false), (BodySendMode::FullDuplexStreamed, false)]
    {
        let gateway = Gateway::start().await;
        let (mut exchange, _) = call(&gateway, mode).await;
        gateway.upstream.lost.store(1, SeqCst);
        gateway.upstream.holds.store(true, SeqCst);
        exchange.response_headers("404", end_of_stream).await;
        let message = exchange.message().await;
        assert!(message.response.is_none(), "{message:?}");
        assert_eq!(message.override_message_timeout.unwrap().seconds, 55);
        gateway.upstream.release.notify_one();
        match exchange.reply().await {
            Reply::ResponseHeaders(_) => assert_eq!(mode, BodySendMode::Buffered),
            Reply::ImmediateResponse(_) => assert_eq!(mode, BodySendMode::FullDuplexStreamed),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_400_in_a_session_that_lives_stands() {
    let gateway = Gateway::start().await;
    let (mut exchange, _) = call(&gateway, BodySendMode::Buffered).await;
    exchange.response_headers("400", false).await;
    let answer = exchange.response_headers_answer().await;
    assert!(answer.removes("mcp-session-id") && answer.set(":status").is_none(), "{answer:?}");
    exchange.ends().await;
    assert_eq!((gateway.upstream.pings.load(SeqCst), gateway.upstream.calls.load(SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_400_in_a_session_that_is_gone_leads_to_a_replay() {
    let gateway = Gateway::start().await;
    let (mut exchange, _) = call(&gateway, BodySendMode::Buffered).await;
    gateway.upstream.lost.store(1, SeqCst);
    exchange.response_headers("400", true).await;
    assert_eq!(exchange.refused().await.0, 200);
    assert_eq!(gateway.upstream.calls.load(SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_refuses_a_session_is_named_in_the_answer() {
    let gateway = Gateway::start().await;
    gateway.upstream.refuses.store(true, SeqCst);
    let mut exchange = Exchange::open(&gateway, BodySendMode::Buffered).await;
    let session = gateway.session(1);
    exchange.headers(&with(&[("mcp-session-id", &session)]), false).await;
    exchange.request_headers_answer().await;
    exchange.body(GET_ME, true).await;
    let (status, body) = exchange.refused().await;
    assert!(status == 502 && body.contains(r#""id":2"#) && body.contains("mcp-test/github"), "{body}");
}
