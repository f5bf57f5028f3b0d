//! What goes out for each message that Envoy may wait for, one change a line.

use std::{fmt::Write as _, sync::Arc};

use envoy_types::pb::envoy::{config::core::v3::Metadata, service::ext_proc::v3::ProtocolConfiguration};
use secrecy::SecretString;

use super::*;
use crate::{exchange::CredentialPart, routing::fixture};

fn render(message: &ProcessingResponse) -> String {
    let mut out = String::new();
    let common = match message.response.as_ref() {
        None => None,
        Some(Reply::RequestHeaders(headers)) => named(&mut out, "request headers", headers.response.as_ref()),
        Some(Reply::ResponseHeaders(headers)) => {
            named(&mut out, "response headers", headers.response.as_ref())
        }
        Some(Reply::RequestBody(body)) => named(&mut out, "request body", body.response.as_ref()),
        Some(Reply::ResponseBody(body)) => named(&mut out, "response body", body.response.as_ref()),
        Some(Reply::RequestTrailers(_)) => named(&mut out, "request trailers", None),
        Some(Reply::ImmediateResponse(answer)) => {
            writeln!(out, "immediate {} {}", answer.status.as_ref().unwrap().code, answer.details).unwrap();
            fields(&mut out, answer.headers.as_ref().unwrap());
            writeln!(out, "  body {}", String::from_utf8_lossy(&answer.body)).unwrap();
            None
        }
        Some(Reply::ResponseTrailers(_) | Reply::StreamedImmediateResponse(_)) => panic!("{message:?}"),
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

fn answered(pending: Pending, what: Answer, received: &str) -> Result<String, Unfit> {
    let mut out = VecDeque::new();
    answer(pending, what, received.as_bytes().to_vec(), &mut out)?;
    Ok(out.iter().map(render).collect())
}

/// To `mcp-test/github`, with its credential.
fn call(body: Option<&str>) -> Answer {
    let secret = SecretString::from("Bearer hunter2");
    let server = Arc::clone(fixture::snapshot().server("mcp-test/github").unwrap());
    let set = vec![
        (":authority", Value::text("github.mcp.local")),
        ("x-mcp-method", Value::Static("tools/call")),
        ("x-mcp-api-key", Value::Credential(secret.clone(), CredentialPart::Key)),
        ("authorization", Value::Credential(secret, CredentialPart::Whole)),
    ];
    let mutation = Mutation { set, remove: vec!["x-mcp-evil".into()], route_to: Some(server) };
    Answer { mutation, body: body.map(|body| body.as_bytes().to_vec()), modes: None }
}

const CALL_FIELDS: &str = "  set :authority: github.mcp.local\n  set x-mcp-method: tools/call\n  set x-mcp-api-key: hunter2\n  set authorization: Bearer hunter2\n";

const ROUTED: &str = "  remove x-mcp-evil\n  clear route cache\n";

fn metadata() -> String {
    format!("  metadata {:?}\n", route("mcp-test/github"))
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
    let with_body = || Answer { body: Some(Vec::new()), ..Answer::default() };
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
    let old = ["content-type", "content-length", "mcp-session-id"].map(str::to_owned).to_vec();
    assert_eq!(
        render(&replaced_head(200, fields(), old)),
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

#[test]
fn the_first_message_says_how_the_body_comes_and_what_a_filter_has_named() {
    use BodySendMode::{Buffered, BufferedPartial, FullDuplexStreamed, None as NoBody, Streamed};
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
        assert_eq!(body_mode(&first), expected);
    }
    assert_eq!(body_mode(&ProcessingRequest::default()), BodyMode::None);

    let named = |namespace: &str, kind| {
        let fields =
            Struct { fields: [("virtual_server".to_owned(), ProtoValue { kind: Some(kind) })].into() };
        let filter_metadata = [(namespace.to_owned(), fields)].into();
        let metadata_context = Some(Metadata { filter_metadata, ..Metadata::default() });
        let request = ProcessingRequest { metadata_context, ..ProcessingRequest::default() };
        virtual_server(&request).map(str::to_owned)
    };
    let name = || Kind::StringValue("mcp-test/readers".to_owned());
    assert_eq!(named(METADATA_NAMESPACE, name()).as_deref(), Some("mcp-test/readers"));
    assert_eq!(named("other", name()), None);
    assert_eq!(named(METADATA_NAMESPACE, Kind::BoolValue(true)), None);
    assert_eq!(virtual_server(&ProcessingRequest::default()), None);
}

#[test]
fn header_values_are_read_from_either_field() {
    let field = |key: &str, value: &str, raw: &[u8]| HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: raw.to_vec(),
    };
    let map = HeaderMap { headers: vec![field(":path", "", b"/\xff"), field("a", "plain", b"")] };
    let read: Vec<_> =
        headers(&map).iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    assert_eq!(read, [(":path".to_owned(), b"/\xff".to_vec()), ("a".to_owned(), b"plain".to_vec())]);
    assert_eq!(plain_names(map), ["a"]);
}
