//! Event streams in which a server asks its client, through Envoy piece by piece, and the answers that come back.

use envoy_types::pb::envoy::{
    extensions::filters::http::ext_proc::v3::processing_mode::{BodySendMode, HeaderSendMode},
    service::ext_proc::v3::processing_response::Response as Reply,
};
use mcp_gateway::{exchange::MAX_HELD_EVENT, mcp::ClientCapabilities};
use serde_json::Value;
use tonic::Code;

use crate::{
    gateway::Gateway,
    stream::{Answer, Exchange, GET_ME, with},
};

const BUFFERED: BodySendMode = BodySendMode::Buffered;
const FORMS: ClientCapabilities = ClientCapabilities(ClientCapabilities::ELICITATION_FORM);
const DONE: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n";
const SAMPLING: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"sampling/createMessage\"}\n\n";

/// A server's request to fill in a form.
fn asked(id: u8) -> String {
    format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"elicitation/create\",\"params\":{{}}}}\n\n")
}

/// The id under which the client gets the request in `event`, which is otherwise as the server sent it.
fn alias(event: &str, id: u8) -> String {
    let message: Value = serde_json::from_str(event.trim().strip_prefix("data: ").unwrap()).unwrap();
    let alias = message["id"].as_str().unwrap().to_owned();
    assert_eq!(event.replace(&format!("\"{alias}\""), &id.to_string()), asked(id));
    alias
}

/// A call of a client that takes forms, as far as the head of its event stream.
async fn streaming(gateway: &Gateway) -> Exchange {
    let mut exchange = Exchange::open(gateway, BUFFERED).await;
    let session = gateway.session_of(1, FORMS);
    exchange.headers(&with(&[("mcp-session-id", &session)]), false).await;
    exchange.request_headers_answer().await;
    exchange.body(GET_ME, true).await;
    assert!(exchange.request_body_answer().await.removes("accept-encoding"));
    exchange.event_stream().await;
    let message = exchange.message().await;
    let mode = message.mode_override.unwrap();
    assert_eq!(mode.request_body_mode(), BUFFERED);
    assert_eq!(mode.response_body_mode(), BodySendMode::FullDuplexStreamed);
    assert_eq!(mode.response_trailer_mode(), HeaderSendMode::Send);
    let Some(Reply::ResponseHeaders(headers)) = message.response else { panic!("{message:?}") };
    let head = Answer(headers.response.unwrap());
    assert!(head.removes("content-length") && head.removes("mcp-session-id"), "{head:?}");
    exchange
}

/// A POST of `body` in a session, after its body.
async fn posted(gateway: &Gateway, session: &str, body: &str) -> Exchange {
    let mut exchange = Exchange::open(gateway, BUFFERED).await;
    exchange.headers(&with(&[("mcp-session-id", session)]), false).await;
    exchange.request_headers_answer().await;
    exchange.body(body, true).await;
    exchange
}

fn result(alias: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"{alias}","result":{{"action":"accept"}}}}"#)
}

/// The answer of session 1 goes to the server, with the id that the server wrote.
async fn is_taken(gateway: &Gateway, alias: &str, id: u8) {
    let mut exchange = posted(gateway, &gateway.session_of(1, FORMS), &result(alias)).await;
    let answer = exchange.request_body_answer().await;
    assert_eq!(answer.set(":authority").unwrap(), "github.mcp.local");
    assert_eq!(answer.set("mcp-session-id").unwrap(), "srv-1");
    assert_eq!(answer.body().unwrap(), result(alias).replace(&format!("\"{alias}\""), &id.to_string()));
    exchange.response_headers("202", true).await;
    exchange.response_headers_answer().await;
    exchange.ends().await;
}

async fn is_refused(gateway: &Gateway, session: u8, alias: &str) {
    let mut exchange = posted(gateway, &gateway.session_of(session, FORMS), &result(alias)).await;
    let (status, body) = exchange.refused().await;
    assert!(status == 400 && body.contains("-32600"), "{status} {body}");
}

#[tokio::test]
async fn a_server_asks_its_client_and_gets_one_answer() {
    let gateway = Gateway::start().await;
    let mut exchange = streaming(&gateway).await;
    exchange.response_body(": hello\n\n", false).await;
    assert_eq!(exchange.response_piece().await, (": hello\n\n".to_owned(), false));
    let (first, late) = (asked(5), asked(7));
    let (start, rest) = first.split_at(20);
    exchange.response_body(start, false).await;
    exchange.is_silent().await;
    exchange.response_body(rest, false).await;
    let first = alias(&exchange.response_piece().await.0, 5);
    exchange.response_body(&late, false).await;
    let late = alias(&exchange.response_piece().await.0, 7);

    is_refused(&gateway, 2, &first).await;
    is_taken(&gateway, &first, 5).await;
    is_refused(&gateway, 1, &first).await;
    is_refused(&gateway, 1, "5").await;

    exchange.response_body(DONE, false).await;
    assert_eq!(exchange.response_piece().await, (DONE.to_owned(), false));
    exchange.response_body("", true).await;
    assert_eq!(exchange.response_piece().await, (String::new(), true));
    exchange.ends().await;
    gateway.is_quiet().await;
    is_refused(&gateway, 1, &late).await;
}

#[tokio::test]
async fn a_request_that_the_client_did_not_announce_is_answered_through_envoy() {
    let gateway = Gateway::start().await;
    let mut exchange = streaming(&gateway).await;
    exchange.response_body(&[SAMPLING, DONE].concat(), true).await;
    assert_eq!(exchange.response_piece().await, (DONE.to_owned(), true));
    exchange.ends().await;
    gateway.is_quiet().await;
    let errors = gateway.upstream.errors.lock().unwrap();
    let [(session, error)] = &errors[..] else { panic!("{errors:?}") };
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(
        (&**session, &error["id"], &error["error"]["code"]),
        ("srv-1", &Value::from(6), &Value::from(-32601))
    );
}

#[tokio::test]
async fn what_was_held_goes_on_before_trailers() {
    let gateway = Gateway::start().await;
    let mut exchange = streaming(&gateway).await;
    exchange.response_body(DONE.trim_end(), false).await;
    exchange.is_silent().await;
    exchange.response_trailers().await;
    assert_eq!(exchange.response_piece().await, (DONE.trim_end().to_owned(), false));
    assert!(matches!(exchange.reply().await, Reply::ResponseTrailers(_)));
    exchange.ends().await;
}

#[tokio::test]
async fn an_event_of_any_length_arrives() {
    let gateway = Gateway::start().await;
    let mut exchange = streaming(&gateway).await;
    let (mut sent, mut arrived) = (String::new(), String::new());
    let data = "x".repeat(60_000);
    let pieces = std::iter::once("data: ").chain(std::iter::repeat_n(&*data, 80)).chain(["\n\n"]);
    for piece in pieces {
        exchange.response_body(piece, false).await;
        sent += piece;
        // all that has come is on its way as soon as it is too long to be held
        while sent.len() > MAX_HELD_EVENT && arrived.len() < sent.len() {
            arrived += &exchange.response_piece().await.0;
        }
    }
    assert!(arrived == sent && sent.len() > MAX_HELD_EVENT);
    exchange.response_body(&asked(5), true).await;
    let (event, last) = exchange.response_piece().await;
    alias(&event, 5);
    assert!(last);
    exchange.ends().await;
}

#[tokio::test]
async fn a_stream_that_envoy_breaks_off_leaves_what_was_asked_open() {
    let gateway = Gateway::start().await;
    let mut exchange = streaming(&gateway).await;
    exchange.response_body(&asked(5), false).await;
    let alias = alias(&exchange.response_piece().await.0, 5);
    exchange.response_body("data: {", false).await;
    exchange.half_close();
    exchange.ends().await;
    gateway.is_quiet().await;
    is_taken(&gateway, &alias, 5).await;
}

#[tokio::test]
async fn a_body_that_is_not_due_ends_in_an_error() {
    let gateway = Gateway::start().await;
    let session = gateway.session_of(1, FORMS);
    let mut before_its_head = posted(&gateway, &session, GET_ME).await;
    before_its_head.request_body_answer().await;
    before_its_head.response_body(DONE, true).await;
    assert_eq!(before_its_head.fails().await, Code::InvalidArgument);

    let mut trailers = posted(&gateway, &session, GET_ME).await;
    trailers.request_body_answer().await;
    trailers.response_trailers().await;
    assert_eq!(trailers.fails().await, Code::InvalidArgument);

    let mut second_head = streaming(&gateway).await;
    second_head.response_body(&asked(5), false).await;
    second_head.response_piece().await;
    second_head.body(GET_ME, true).await;
    assert_ne!(second_head.fails().await, Code::Ok);
}
