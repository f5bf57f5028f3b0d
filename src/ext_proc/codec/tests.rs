//! What goes out for each message that Envoy may wait for, one change a line.

use std::{borrow::Borrow, collections::VecDeque, fmt::Write as _, sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::{HeaderMap, HeaderValue, Metadata, header_value_option::HeaderAppendAction},
        service::ext_proc::v3::{
            CommonResponse, HeaderMutation, HttpBody, HttpHeaders, ProcessingRequest, ProtocolConfiguration,
            body_mutation, processing_request::Request, processing_response::Response as Kind,
        },
    },
    google::protobuf::{Struct, Value as ProtoValue, value},
};
use proptest::prelude::*;
use secrecy::SecretString;

use prost::Message as _;

use super::{answer::MAX_PIECE, *};
use crate::{
    envoy::{METADATA_NAMESPACE, METADATA_SERVER, RESPONSE_DETAILS},
    exchange::{Answer, CredentialPart, Mutation, Value},
    ext_proc::grpc::PREFIX,
    mcp::{Response, Span},
    routing::fixture,
};

fn decoded(reply: &Reply) -> ProcessingResponse {
    let bytes = [std::slice::from_ref(&reply.head), &reply.body].concat().concat();
    let (prefix, message) = bytes.split_at(PREFIX);
    assert_eq!(prefix[0], 0, "not compressed");
    assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
    ProcessingResponse::decode(message).unwrap()
}

fn render(reply: &Reply) -> String {
    let message = &decoded(reply);
    let mut out = String::new();
    let common = match message.response.as_ref() {
        None => None,
        Some(Kind::RequestHeaders(headers)) => named(&mut out, "request headers", headers.response.as_ref()),
        Some(Kind::ResponseHeaders(headers)) => {
            named(&mut out, "response headers", headers.response.as_ref())
        }
        Some(Kind::RequestBody(body)) => named(&mut out, "request body", body.response.as_ref()),
        Some(Kind::ResponseBody(body)) => named(&mut out, "response body", body.response.as_ref()),
        Some(Kind::RequestTrailers(_)) => named(&mut out, "request trailers", None),
        Some(Kind::ImmediateResponse(answer)) => {
            writeln!(out, "immediate {} {}", answer.status.as_ref().unwrap().code, answer.details).unwrap();
            fields(&mut out, answer.headers.as_ref().unwrap());
            writeln!(out, "  body {}", String::from_utf8_lossy(&answer.body)).unwrap();
            None
        }
        Some(Kind::ResponseTrailers(_) | Kind::StreamedImmediateResponse(_)) => panic!("{message:?}"),
    };
    if let Some(common) = common {
        assert_eq!(common.status, 0, "CONTINUE");
        if let Some(mutation) = &common.header_mutation {
            fields(&mut out, mutation);
        }
        if common.clear_route_cache {
            assert!(common.header_mutation.is_some(), "it would be ignored");
            writeln!(out, "  clear route cache").unwrap();
        }
        match common.body_mutation.as_ref().and_then(|body| body.mutation.as_ref()) {
            None => {}
            Some(body_mutation::Mutation::Body(body)) => {
                writeln!(out, "  body {}", String::from_utf8_lossy(body)).unwrap();
            }
            Some(body_mutation::Mutation::StreamedResponse(piece)) => {
                let end = if piece.end_of_stream { ", the last" } else { "" };
                let body = String::from_utf8_lossy(&piece.body);
                let shown = if body.len() > 99 { format!("{} bytes", body.len()) } else { body.into() };
                writeln!(out, "  piece {shown}{end}").unwrap();
            }
            Some(body_mutation::Mutation::ClearBody(_)) => panic!("{message:?}"),
        }
    }
    if let Some(metadata) = &message.dynamic_metadata {
        writeln!(out, "  metadata {metadata:?}").unwrap();
    }
    if let Some(mode) = &message.mode_override {
        writeln!(
            out,
            "  modes: request body {:?}, response headers {:?}, body {:?}, trailers {:?}",
            mode.request_body_mode(),
            mode.response_header_mode(),
            mode.response_body_mode(),
            mode.response_trailer_mode()
        )
        .unwrap();
    }
    if let Some(wait) = &message.override_message_timeout {
        writeln!(out, "wait {} s", wait.seconds).unwrap();
    }
    out
}

fn named<'a>(out: &mut String, name: &str, common: Option<&'a CommonResponse>) -> Option<&'a CommonResponse> {
    writeln!(out, "{name}").unwrap();
    common
}

fn fields(out: &mut String, mutation: &HeaderMutation) {
    for option in &mutation.set_headers {
        assert_eq!(option.append_action(), HeaderAppendAction::OverwriteIfExistsOrAdd);
        let header = option.header.as_ref().unwrap();
        assert!(header.value.is_empty(), "Envoy reads raw_value");
        writeln!(out, "  set {}: {}", header.key, String::from_utf8_lossy(&header.raw_value)).unwrap();
    }
    mutation.remove_headers.iter().for_each(|name| writeln!(out, "  remove {name}").unwrap());
}

fn answered(pending: Pending, what: impl Borrow<Answer>, received: &str) -> Result<String, Unfit> {
    let mut out = VecDeque::new();
    answer(pending, what.borrow(), &Bytes::copy_from_slice(received.as_bytes()), &mut out)?;
    Ok(out.iter().map(render).collect())
}

/// To `mcp-test/github`, with its credential; `new` in the place of the body's first three bytes.
fn call(new: Option<&str>) -> Answer {
    let secret = Arc::new(SecretString::from("Bearer hunter2"));
    let server = Arc::clone(fixture::snapshot().server("mcp-test/github").unwrap());
    let set = vec![
        (":authority", Value::text("github.mcp.local")),
        ("x-mcp-method", Value::Static("tools/call")),
        ("x-mcp-api-key", Value::Credential(Arc::clone(&secret), CredentialPart::Key)),
        ("authorization", Value::Credential(secret, CredentialPart::Whole)),
    ];
    let mutation =
        Mutation { set, remove: ["x-mcp-evil".into()].into_iter().collect(), route_to: Some(server) };
    let edits = new.map(|new| (Span { start: 0, end: 3 }, new.as_bytes().to_vec())).into_iter().collect();
    Answer { mutation, edits, modes: None }
}

const CALL_FIELDS: &str = "  set :authority: github.mcp.local\n  set x-mcp-method: tools/call\n  set x-mcp-api-key: hunter2\n  set authorization: Bearer hunter2\n";

const ROUTED: &str = "  remove x-mcp-evil\n  clear route cache\n";

fn metadata() -> String {
    let single =
        |key: &str, kind| Struct { fields: [(key.to_owned(), ProtoValue { kind: Some(kind) })].into() };
    let inner = single(METADATA_SERVER, value::Kind::StringValue("mcp-test/github".to_owned()));
    format!("  metadata {:?}\n", single(METADATA_NAMESPACE, value::Kind::StructValue(inner)))
}

#[test]
fn a_buffered_body_goes_out_with_its_new_length() {
    let same = answered(Pending::RequestBody, call(None), "old").unwrap();
    assert_eq!(same, format!("request body\n{CALL_FIELDS}{ROUTED}{}", metadata()));
    let new = answered(Pending::RequestBody, call(Some("newer")), "old").unwrap();
    let expected =
        format!("request body\n{CALL_FIELDS}  set content-length: 5\n{ROUTED}  body newer\n{}", metadata());
    assert_eq!(new, expected);
}

#[test]
fn a_held_request_is_answered_headers_first_then_body() {
    let held = Pending::Held { complete: true };
    let headers = format!("request headers\n{CALL_FIELDS}{ROUTED}{}", metadata());
    let same = answered(held, call(None), "as it came").unwrap();
    assert_eq!(same, format!("{headers}request body\n  piece as it came, the last\n"));
    let new = answered(held, call(Some("newer")), "old").unwrap();
    assert!(
        new.contains("  set content-length: 5\n") && new.ends_with("request body\n  piece newer, the last\n")
    );
    let long = "x".repeat(MAX_PIECE * 2 + 100);
    let pieces = answered(held, Answer::default(), &long).unwrap();
    let piece = format!("request body\n  piece {MAX_PIECE} bytes\n");
    assert_eq!(pieces, format!("request headers\n{piece}{piece}request body\n  piece 100 bytes, the last\n"));
    let empty = answered(held, Answer::default(), "").unwrap();
    assert_eq!(empty, "request headers\nrequest body\n  piece , the last\n");
}

#[test]
fn pieces_of_a_passing_body_go_back_as_they_came() {
    for (end_of_stream, end) in [(false, ""), (true, ", the last")] {
        let piece = answered(Pending::Piece { end_of_stream }, Answer::default(), "ab").unwrap();
        assert_eq!(piece, format!("request body\n  piece ab{end}\n"));
    }
    assert_eq!(answered(Pending::RequestTrailers, Answer::default(), "").unwrap(), "request trailers\n");
}

#[test]
fn modes_are_always_stated_whole() {
    let pending = Pending::RequestHeaders { end_of_stream: false };
    for (request_body, response_headers, expected) in [
        (BodyMode::None, false, "None, response headers Skip"),
        (BodyMode::Buffered, true, "Buffered, response headers Send"),
    ] {
        let modes = Some(BodyModes { request_body, response_headers, response_body: BodyMode::None });
        let answer = answered(pending, Answer { modes, ..Answer::default() }, "").unwrap();
        let expected =
            format!("request headers\n  modes: request body {expected}, body None, trailers Default\n");
        assert_eq!(answer, expected);
    }
    let headers = answered(Pending::ResponseHeaders { end_of_stream: false }, Answer::default(), "").unwrap();
    assert_eq!(headers, "response headers\n");
}

#[test]
fn an_answer_that_nothing_waits_for_is_an_error() {
    let with_body = || call(Some("newer"));
    for (pending, answer) in [
        (Pending::Nothing, Answer::default()),
        (Pending::Held { complete: false }, Answer::default()),
        (Pending::RequestHeaders { end_of_stream: true }, with_body()),
        (Pending::RequestTrailers, with_body()),
        (Pending::ResponseHeaders { end_of_stream: false }, with_body()),
    ] {
        assert_eq!(answered(pending, answer, "").unwrap_err(), Unfit(pending));
    }
}

#[test]
fn a_refusal_is_an_immediate_response() {
    let response = Response::json(404, b"{}".to_vec());
    assert_eq!(
        render(&immediate(response, "unknown session")),
        "immediate 404 mcp_gateway_unknown_session\n  set content-type: application/json\n  body {}\n"
    );
}

#[test]
fn another_answer_replaces_the_one_that_envoy_holds() {
    let fields = || vec![("content-type".to_owned(), b"text/event-stream".to_vec())];
    let old = [":status", "content-type", "content-length", "mcp-session-id"];
    assert_eq!(
        render(&replaced_head(200, fields(), old.into_iter())),
        "response headers\n  set :status: 200\n  set content-type: text/event-stream\n  remove content-length\n  \
         remove mcp-session-id\n  modes: request body Buffered, response headers Send, body \
         FullDuplexStreamed, trailers Send\n"
    );
    let pieces: String =
        response_pieces(b"data: 1\n\n".to_vec(), false).map(|piece| render(&piece)).collect();
    assert_eq!(pieces, "response body\n  piece data: 1\n\n\n");
    let last: String = response_pieces(Vec::new(), true).map(|piece| render(&piece)).collect();
    assert_eq!(last, "response body\n  piece , the last\n");
    assert_eq!(
        render(&replaced(200, fields(), b"{}".to_vec())),
        "immediate 200 mcp_gateway_replayed\n  set content-type: text/event-stream\n  body {}\n"
    );
    assert_eq!(render(&wait(Duration::from_secs(55))), "wait 55 s\n");
}

fn event(request: Request) -> Vec<u8> {
    ProcessingRequest { request: Some(request), ..ProcessingRequest::default() }.encode_to_vec()
}

#[test]
fn the_first_message_says_how_the_body_comes() {
    use BodySendMode::{Buffered, BufferedPartial, FullDuplexStreamed, None as NoBody, Streamed};
    let read =
        |first: &ProcessingRequest| Message::read(&first.encode_to_vec()).unwrap().body_mode().unwrap();
    for (mode, expected) in [
        (NoBody, BodyMode::None),
        (Streamed, BodyMode::None),
        (BufferedPartial, BodyMode::None),
        (Buffered, BodyMode::Buffered),
        (FullDuplexStreamed, BodyMode::FullDuplex),
    ] {
        let config =
            ProtocolConfiguration { request_body_mode: mode.into(), ..ProtocolConfiguration::default() };
        let first = ProcessingRequest { protocol_config: Some(config), ..ProcessingRequest::default() };
        assert_eq!(read(&first), expected);
    }
    assert_eq!(read(&ProcessingRequest::default()), BodyMode::None);
}

fn structure(name: &str, kind: value::Kind) -> Struct {
    Struct { fields: [(name.to_owned(), ProtoValue { kind: Some(kind) })].into() }
}

#[test]
fn a_filter_names_the_virtual_server_and_envoy_says_what_became_of_the_response() {
    let text = |text: &str| value::Kind::StringValue(text.to_owned());
    let named = |namespace: &str, kind| {
        let other = structure("virtual_server", text("wrong"));
        let fields = structure("virtual_server", kind);
        let filter_metadata = [("other".to_owned(), other), (namespace.to_owned(), fields)].into();
        let metadata_context = Some(Metadata { filter_metadata, ..Metadata::default() });
        let request = ProcessingRequest { metadata_context, ..ProcessingRequest::default() }.encode_to_vec();
        Message::read(&request).unwrap().virtual_server().unwrap().map(str::to_owned)
    };
    assert_eq!(named(METADATA_NAMESPACE, text("mcp-test/readers")).as_deref(), Some("mcp-test/readers"));
    assert_eq!(named("another", text("mcp-test/readers")), None);
    assert_eq!(named(METADATA_NAMESPACE, value::Kind::BoolValue(true)), None);

    let details = |name: &str| {
        let attributes = [("envoy.filters.http.ext_proc".to_owned(), structure(name, text("via_upstream")))];
        let request = ProcessingRequest { attributes: attributes.into(), ..ProcessingRequest::default() };
        Message::read(&request.encode_to_vec()).unwrap().details().unwrap().map(str::to_owned)
    };
    assert_eq!(details(RESPONSE_DETAILS).as_deref(), Some("via_upstream"));
    assert_eq!(details("response.code"), None);
    let silent = Message::read(&[]).unwrap();
    assert!(silent.event.is_none());
    assert_eq!((silent.details(), silent.virtual_server()), (Ok(None), Ok(None)));
}

proptest! {
    #[test]
    fn what_envoy_sends_is_read_as_it_is(
        fields in prop::collection::vec(("[a-z:-]{1,20}", prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..30),
        body in prop::collection::vec(any::<u8>(), 0..300),
        end_of_stream: bool,
    ) {
        let header = |(name, value, is_raw): &(String, Vec<u8>, bool)| {
            let (raw, text) = if *is_raw { (value.clone(), String::new()) } else { (Vec::new(), value.escape_ascii().to_string()) };
            HeaderValue { key: name.clone(), value: text, raw_value: raw }
        };
        let map = HeaderMap { headers: fields.iter().map(header).collect() };
        let expected: Vec<_> = map.headers.iter().map(|field| {
            let value = if field.raw_value.is_empty() { field.value.as_bytes() } else { &field.raw_value };
            (field.key.clone(), value.to_vec())
        }).collect();
        let headers = HttpHeaders { headers: Some(map), end_of_stream, ..HttpHeaders::default() };
        let of_request = event(Request::RequestHeaders(headers.clone()));
        let of_response = event(Request::ResponseHeaders(headers));
        for bytes in [&of_request, &of_response] {
            let message = Message::read(bytes).unwrap();
            let Some(Event::RequestHeaders(read) | Event::ResponseHeaders(read)) = message.event else { panic!() };
            let shown: Vec<_> =
                read.fields().unwrap().iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
            prop_assert_eq!(&shown, &expected);
            prop_assert_eq!(header_fields(read.map()).unwrap().len(), expected.len());
            prop_assert_eq!(read.end_of_stream, end_of_stream);
        }
        let http_body = HttpBody { body: body.clone(), end_of_stream, ..HttpBody::default() };
        let of_request = event(Request::RequestBody(http_body.clone()));
        let of_response = event(Request::ResponseBody(http_body));
        for bytes in [&of_request, &of_response] {
            let message = Message::read(bytes).unwrap();
            let Some(Event::RequestBody(read) | Event::ResponseBody(read)) = message.event else { panic!() };
            prop_assert_eq!((read.bytes, read.end_of_stream), (&*body, end_of_stream));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let Ok(message) = Message::read(&bytes) else { return Ok(()) };
        let (_, _, _) = (message.body_mode(), message.virtual_server(), message.details());
        if let Some(Event::RequestHeaders(headers) | Event::ResponseHeaders(headers)) = message.event {
            let _ = headers.fields();
        }
    }
}
