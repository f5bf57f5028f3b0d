//! What goes out instead of an answer: the gateway's own response, another one in place of the server's, a wish to wait.

use std::time::Duration;

use envoy_types::pb::{
    envoy::{
        config::core::v3::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
        service::ext_proc::v3::{
            CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse, ProcessingResponse,
            processing_response::Response as Kind,
        },
        r#type::v3::HttpStatus,
    },
    google::protobuf::Duration as ProtoDuration,
};

use super::{Reply, processing_mode};
use crate::{
    exchange::{BodyMode, BodyModes},
    mcp::Response,
};

/// The client's answer, made by the gateway. `reason` stands in access logs (`%RESPONSE_CODE_DETAILS%`).
pub(in crate::ext_proc) fn immediate(answer: Response, reason: &str) -> Reply {
    let fields = answer.headers.iter().map(|(name, value)| set(name, value.as_bytes().to_vec()));
    immediate_response(answer.status, fields.collect(), answer.body, reason)
}

/// Another answer instead of the one that Envoy holds, all of it at once.
pub(in crate::ext_proc) fn replaced(status: u16, fields: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Reply {
    let fields = fields.into_iter().map(|(name, value)| set(&name, value)).collect();
    immediate_response(status, fields, body, "replayed")
}

fn immediate_response(
    status: u16,
    set_headers: Vec<HeaderValueOption>,
    body: Vec<u8>,
    reason: &str,
) -> Reply {
    response(Kind::ImmediateResponse(ImmediateResponse {
        status: Some(HttpStatus { code: status.into() }),
        headers: Some(HeaderMutation { set_headers, remove_headers: Vec::new() }),
        body,
        grpc_status: None,
        details: format!("mcp_gateway_{}", reason.replace(' ', "_")),
    }))
}

/// The head of another answer instead of the one that Envoy holds; its body follows in [`super::response_pieces`].
/// `old` are the names of the header fields that go.
pub(in crate::ext_proc) fn replaced_head<'a>(
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    old: impl Iterator<Item = &'a str>,
) -> Reply {
    let is_gone = |old: &&str| !old.starts_with(':') && !fields.iter().any(|(name, _)| name == old);
    let remove_headers = old.filter(is_gone).map(str::to_owned).collect();
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
    Reply::of(&ProcessingResponse {
        response: Some(Kind::ResponseHeaders(HeadersResponse { response: Some(common) })),
        mode_override: Some(processing_mode(modes)),
        ..ProcessingResponse::default()
    })
}

/// Asks Envoy to wait longer for the answer that is due (`max_message_timeout` is the most it grants).
pub(in crate::ext_proc) fn wait(longer: Duration) -> Reply {
    let seconds = i64::try_from(longer.as_secs()).unwrap_or(i64::MAX);
    Reply::of(&ProcessingResponse {
        override_message_timeout: Some(ProtoDuration { seconds, nanos: 0 }),
        ..ProcessingResponse::default()
    })
}

fn response(kind: Kind) -> Reply {
    Reply::of(&ProcessingResponse { response: Some(kind), ..ProcessingResponse::default() })
}

fn set(name: &str, raw_value: Vec<u8>) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), raw_value, ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
