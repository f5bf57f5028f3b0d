//! Envoy's messages to the exchange's inputs, and its steps to Envoy's messages.
//!
//! **Invariant**: pure. Holds no state and waits for nothing.

use std::{collections::VecDeque, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            HeaderMap, HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        extensions::filters::http::ext_proc::v3::{
            ProcessingMode,
            processing_mode::{BodySendMode, HeaderSendMode},
        },
        service::ext_proc::v3::{
            BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse,
            ProcessingRequest, ProcessingResponse, ProtocolConfiguration, StreamedBodyResponse,
            TrailersResponse, body_mutation, processing_response::Response as Reply,
        },
        r#type::v3::HttpStatus,
    },
    google::protobuf::{Duration as ProtoDuration, Struct, Value as ProtoValue, value::Kind},
};

use crate::{
    credentials,
    envoy::{METADATA_NAMESPACE, METADATA_SERVER, RESPONSE_DETAILS},
    exchange::{Answer, BodyMode, BodyModes, Header, Mutation, Value},
    mcp::Response,
};

/// Largest piece of a streamed body, in bytes. Envoy takes up to 64 KiB at once.
pub(super) const MAX_PIECE: usize = 62_000;

/// What Envoy waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    RequestHeaders {
        end_of_stream: bool,
    },
    /// The whole body (`BUFFERED`).
    RequestBody,
    /// The headers of a request whose body has arrived in pieces (`FULL_DUPLEX_STREAMED`): the route can only be
    /// chosen with the headers, so their answer is held back until the body is `complete`.
    Held {
        complete: bool,
    },
    /// A piece of a body whose headers were answered (`FULL_DUPLEX_STREAMED`).
    Piece {
        end_of_stream: bool,
    },
    RequestTrailers,
    ResponseHeaders {
        end_of_stream: bool,
    },
    ResponseTrailers,
}

/// A step that does not answer what Envoy waits for. Never to be papered over: an answer to something else, or an
/// early end of the stream, would let the request pass unrouted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such answer while Envoy waits for {0:?}")]
pub(super) struct Unfit(Pending);

/// How Envoy will send the request's body (`protocol_config`, in the first message of a stream). Modes in which the
/// route cannot be chosen by the body count as none.
pub(super) fn body_mode(first: &ProcessingRequest) -> BodyMode {
    let mode = first.protocol_config.as_ref().map(ProtocolConfiguration::request_body_mode);
    match mode.unwrap_or(BodySendMode::None) {
        BodySendMode::Buffered => BodyMode::Buffered,
        BodySendMode::FullDuplexStreamed => BodyMode::FullDuplex,
        BodySendMode::None | BodySendMode::Streamed | BodySendMode::BufferedPartial | BodySendMode::Grpc => {
            BodyMode::None
        }
    }
}

/// The virtual server that a filter before the router named: dynamic metadata `mcp_gateway`, key `virtual_server`
/// (`metadata_options.forwarding_namespaces`).
pub(super) fn virtual_server(request: &ProcessingRequest) -> Option<&str> {
    let metadata = request.metadata_context.as_ref()?.filter_metadata.get(METADATA_NAMESPACE)?;
    text(metadata, "virtual_server")
}

/// What Envoy says of a response: attribute `response.code_details` (`response_attributes`).
pub(super) fn details(request: &ProcessingRequest) -> Option<&str> {
    request.attributes.values().find_map(|attributes| text(attributes, RESPONSE_DETAILS))
}

fn text<'a>(fields: &'a Struct, name: &str) -> Option<&'a str> {
    match fields.fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        Kind::NullValue(_)
        | Kind::NumberValue(_)
        | Kind::BoolValue(_)
        | Kind::StructValue(_)
        | Kind::ListValue(_) => None,
    }
}

/// Header fields as the exchange reads them. Envoy fills `raw_value`; older ones and other senders `value`.
pub(super) fn headers(map: &HeaderMap) -> Vec<Header<'_>> {
    map.headers.iter().map(|field| Header { name: &field.key, value: raw(field) }).collect()
}

/// Names of header fields, pseudo-header fields left out.
pub(super) fn plain_names(map: HeaderMap) -> Vec<String> {
    map.headers.into_iter().map(|field| field.key).filter(|name| !name.starts_with(':')).collect()
}

fn raw(field: &HeaderValue) -> &[u8] {
    if field.raw_value.is_empty() { field.value.as_bytes() } else { &field.raw_value }
}

/// Puts the answer to what is `pending` into `out`. `received` is the body as it came: what goes on where the
/// answer has no body of its own and Envoy keeps none (`FULL_DUPLEX_STREAMED`).
pub(super) fn answer(
    pending: Pending,
    answer: Answer,
    received: Vec<u8>,
    out: &mut VecDeque<ProcessingResponse>,
) -> Result<(), Unfit> {
    let Answer { mutation, body, modes } = answer;
    match pending {
        Pending::Nothing | Pending::Held { complete: false } => return Err(Unfit(pending)),
        Pending::RequestHeaders { .. } => {
            without_body(pending, body.as_ref())?;
            out.push_back(request_headers(mutation, modes));
        }
        Pending::RequestBody => out.push_back(request_body(mutation, body)),
        Pending::Held { complete: true } => {
            let length = body.as_ref().map(Vec::len);
            let mut reply = request_headers(mutation, modes);
            if let (Some(length), Some(Reply::RequestHeaders(headers))) = (length, &mut reply.response) {
                set_content_length(headers.response.get_or_insert_default(), length);
            }
            out.push_back(reply);
            out.extend(pieces(body.unwrap_or(received), true).into_iter().map(request_piece));
        }
        Pending::Piece { end_of_stream } => {
            out.extend(pieces(body.unwrap_or(received), end_of_stream).into_iter().map(request_piece));
        }
        Pending::RequestTrailers => {
            without_body(pending, body.as_ref())?;
            out.push_back(response(Reply::RequestTrailers(TrailersResponse::default())));
        }
        Pending::ResponseHeaders { .. } => {
            without_body(pending, body.as_ref())?;
            let (common, _) = common(mutation);
            let reply = Reply::ResponseHeaders(HeadersResponse { response: Some(common) });
            let mode_override = modes.map(processing_mode);
            out.push_back(ProcessingResponse { mode_override, ..response(reply) });
        }
        Pending::ResponseTrailers => {
            without_body(pending, body.as_ref())?;
            out.push_back(response(Reply::ResponseTrailers(TrailersResponse::default())));
        }
    }
    Ok(())
}

fn without_body(pending: Pending, body: Option<&Vec<u8>>) -> Result<(), Unfit> {
    if body.is_some() { Err(Unfit(pending)) } else { Ok(()) }
}

fn request_headers(mutation: Mutation, modes: Option<BodyModes>) -> ProcessingResponse {
    let (common, dynamic_metadata) = common(mutation);
    ProcessingResponse {
        dynamic_metadata,
        mode_override: modes.map(processing_mode),
        ..response(Reply::RequestHeaders(HeadersResponse { response: Some(common) }))
    }
}

fn request_body(mutation: Mutation, body: Option<Vec<u8>>) -> ProcessingResponse {
    let (mut common, dynamic_metadata) = common(mutation);
    if let Some(body) = body {
        set_content_length(&mut common, body.len());
        common.body_mutation = Some(BodyMutation { mutation: Some(body_mutation::Mutation::Body(body)) });
    }
    let reply = Reply::RequestBody(BodyResponse { response: Some(common) });
    ProcessingResponse { dynamic_metadata, ..response(reply) }
}

/// The client's answer, made by the gateway. `reason` stands in access logs (`%RESPONSE_CODE_DETAILS%`).
pub(super) fn immediate(answer: Response, reason: &str) -> ProcessingResponse {
    let fields = answer.headers.iter().map(|(name, value)| set(name, value.as_bytes().to_vec()));
    immediate_response(answer.status, fields.collect(), answer.body, reason)
}

/// Another answer instead of the one that Envoy holds, all of it at once.
pub(super) fn replaced(status: u16, fields: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> ProcessingResponse {
    let fields = fields.into_iter().map(|(name, value)| set(&name, value)).collect();
    immediate_response(status, fields, body, "replayed")
}

fn immediate_response(
    status: u16,
    set_headers: Vec<HeaderValueOption>,
    body: Vec<u8>,
    reason: &str,
) -> ProcessingResponse {
    response(Reply::ImmediateResponse(ImmediateResponse {
        status: Some(HttpStatus { code: status.into() }),
        headers: Some(HeaderMutation { set_headers, remove_headers: Vec::new() }),
        body,
        grpc_status: None,
        details: format!("mcp_gateway_{}", reason.replace(' ', "_")),
    }))
}

/// The head of another answer instead of the one that Envoy holds; its body follows in [`response_pieces`].
/// `old` are the names of the header fields that go.
pub(super) fn replaced_head(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    old: Vec<String>,
) -> ProcessingResponse {
    let remove_headers = old.into_iter().filter(|old| !fields.iter().any(|(name, _)| name == old)).collect();
    let mut set_headers = vec![set(":status", status.to_string().into_bytes())];
    set_headers.extend(fields.into_iter().map(|(name, value)| set(&name, value)));
    let common = CommonResponse {
        header_mutation: Some(HeaderMutation { set_headers, remove_headers }),
        ..CommonResponse::default()
    };
    let modes = BodyModes {
        request_body: BodyMode::Buffered,
        response_headers: true,
        response_body: BodyMode::FullDuplex,
    };
    ProcessingResponse {
        mode_override: Some(processing_mode(modes)),
        ..response(Reply::ResponseHeaders(HeadersResponse { response: Some(common) }))
    }
}

/// Pieces of another answer's body; `last`: nothing follows.
pub(super) fn response_pieces(body: Vec<u8>, last: bool) -> impl Iterator<Item = ProcessingResponse> {
    pieces(body, last).into_iter().map(|mutation| response(Reply::ResponseBody(body_response(mutation))))
}

/// Asks Envoy to wait longer for the answer that is due (`max_message_timeout` is the most it grants).
pub(super) fn wait(longer: Duration) -> ProcessingResponse {
    let seconds = i64::try_from(longer.as_secs()).unwrap_or(i64::MAX);
    ProcessingResponse {
        override_message_timeout: Some(ProtoDuration { seconds, nanos: 0 }),
        ..ProcessingResponse::default()
    }
}

fn response(reply: Reply) -> ProcessingResponse {
    ProcessingResponse { response: Some(reply), ..ProcessingResponse::default() }
}

fn request_piece(mutation: BodyMutation) -> ProcessingResponse {
    response(Reply::RequestBody(body_response(mutation)))
}

fn body_response(mutation: BodyMutation) -> BodyResponse {
    BodyResponse {
        response: Some(CommonResponse { body_mutation: Some(mutation), ..CommonResponse::default() }),
    }
}

/// `body` in pieces of at most [`MAX_PIECE`] bytes; an empty body is one empty piece.
fn pieces(body: Vec<u8>, last: bool) -> Vec<BodyMutation> {
    let pieces = if body.len() <= MAX_PIECE {
        vec![body]
    } else {
        body.chunks(MAX_PIECE).map(<[u8]>::to_vec).collect()
    };
    let count = pieces.len();
    let numbered = pieces.into_iter().zip(1..);
    let streamed = numbered.map(|(body, number)| StreamedBodyResponse {
        body,
        end_of_stream: last && number == count,
        ..StreamedBodyResponse::default()
    });
    streamed
        .map(|piece| BodyMutation { mutation: Some(body_mutation::Mutation::StreamedResponse(piece)) })
        .collect()
}

/// The changes to the header fields, and the dynamic metadata that goes beside them.
fn common(mutation: Mutation) -> (CommonResponse, Option<Struct>) {
    let Mutation { set: fields, remove, route_to } = mutation;
    let header_mutation = HeaderMutation {
        set_headers: fields.into_iter().map(|(name, value)| set(name, reveal(value))).collect(),
        remove_headers: remove.into_iter().map(Into::into).collect(),
    };
    let common = CommonResponse {
        // present even when empty: Envoy heeds clear_route_cache only beside it
        header_mutation: Some(header_mutation),
        clear_route_cache: route_to.is_some(),
        ..CommonResponse::default()
    };
    (common, route_to.map(|server| route(server.name.as_str())))
}

fn reveal(value: Value) -> Vec<u8> {
    match value {
        Value::Static(text) => text.as_bytes().to_vec(),
        Value::Text(text) => String::from(text).into_bytes(),
        Value::Credential(secret, part) => credentials::reveal(&secret, part),
    }
}

/// `{mcp_gateway: {server: NAME}}`, which the bootstrap's server routes match on.
fn route(server: &str) -> Struct {
    let single =
        |key: &str, kind| Struct { fields: [(key.to_owned(), ProtoValue { kind: Some(kind) })].into() };
    let inner = single(METADATA_SERVER, Kind::StringValue(server.to_owned()));
    single(METADATA_NAMESPACE, Kind::StructValue(inner))
}

fn set_content_length(common: &mut CommonResponse, length: usize) {
    let mutation = common.header_mutation.get_or_insert_default();
    mutation.set_headers.push(set("content-length", length.to_string().into_bytes()));
}

fn set(name: &str, raw_value: Vec<u8>) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), raw_value, ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// All modes are stated: naming one body's would reset the other's. Trailers come with a body in pieces.
fn processing_mode(modes: BodyModes) -> ProcessingMode {
    let body = |mode| match mode {
        BodyMode::None => BodySendMode::None,
        BodyMode::Buffered => BodySendMode::Buffered,
        BodyMode::FullDuplex => BodySendMode::FullDuplexStreamed,
    };
    let send = |wanted| if wanted { HeaderSendMode::Send } else { HeaderSendMode::Skip };
    let mut mode = ProcessingMode {
        request_body_mode: body(modes.request_body).into(),
        response_body_mode: body(modes.response_body).into(),
        response_header_mode: send(modes.response_headers).into(),
        ..ProcessingMode::default()
    };
    if modes.response_body == BodyMode::FullDuplex {
        mode.response_trailer_mode = HeaderSendMode::Send.into();
    }
    mode
}

#[cfg(test)]
mod tests;
