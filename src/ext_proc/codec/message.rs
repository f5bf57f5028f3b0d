//! What Envoy sends (`ProcessingRequest`), read where it lies.

use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode;

use super::wire::{Malformed, fields};
use crate::{
    envoy::{METADATA_NAMESPACE, RESPONSE_DETAILS},
    exchange::{BodyMode, Header},
};

/// A message of Envoy. Its parts are slices of the bytes that it came in.
#[derive(Debug, Default)]
pub(in crate::ext_proc) struct Message<'a> {
    /// Absent in a message that says nothing.
    pub(in crate::ext_proc) event: Option<Event<'a>>,
    metadata: &'a [u8],
    protocol: &'a [u8],
    attributes: Vec<&'a [u8]>,
}

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub(in crate::ext_proc) enum Event<'a> {
    RequestHeaders(Headers<'a>),
    RequestBody(Body<'a>),
    RequestTrailers,
    ResponseHeaders(Headers<'a>),
    ResponseBody(Body<'a>),
    ResponseTrailers,
}

/// Header fields, not read yet.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::ext_proc) struct Headers<'a> {
    map: &'a [u8],
    /// No body follows.
    pub(in crate::ext_proc) end_of_stream: bool,
}

/// A body, or a piece of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::ext_proc) struct Body<'a> {
    pub(in crate::ext_proc) bytes: &'a [u8],
    pub(in crate::ext_proc) end_of_stream: bool,
}

impl<'a> Message<'a> {
    /// Reads `bytes`, header fields apart.
    pub(in crate::ext_proc) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        for field in fields(bytes) {
            let (number, field) = field?;
            let event = match number {
                2 => Event::RequestHeaders(Headers::read(field.bytes())?),
                3 => Event::ResponseHeaders(Headers::read(field.bytes())?),
                4 => Event::RequestBody(Body::read(field.bytes())?),
                5 => Event::ResponseBody(Body::read(field.bytes())?),
                6 => Event::RequestTrailers,
                7 => Event::ResponseTrailers,
                8 => {
                    message.metadata = field.bytes();
                    continue;
                }
                9 => {
                    message.attributes.push(field.bytes());
                    continue;
                }
                11 => {
                    message.protocol = field.bytes();
                    continue;
                }
                _ => continue,
            };
            message.event = Some(event);
        }
        Ok(message)
    }

    /// How Envoy will send the request's body (`protocol_config`, in the first message of a stream). Modes in which
    /// the route cannot be chosen by the body count as none.
    pub(in crate::ext_proc) fn body_mode(&self) -> Result<BodyMode, Malformed> {
        let mode = find(self.protocol, 1)?.map_or(0, super::wire::Field::number);
        let mode = i32::try_from(mode).ok().and_then(|mode| BodySendMode::try_from(mode).ok());
        Ok(match mode.unwrap_or(BodySendMode::None) {
            BodySendMode::Buffered => BodyMode::Buffered,
            BodySendMode::FullDuplexStreamed => BodyMode::FullDuplex,
            BodySendMode::None
            | BodySendMode::Streamed
            | BodySendMode::BufferedPartial
            | BodySendMode::Grpc => BodyMode::None,
        })
    }

    /// The virtual server that a filter before the router named: dynamic metadata `mcp_gateway`, key `virtual_server`
    /// (`metadata_options.forwarding_namespaces`).
    pub(in crate::ext_proc) fn virtual_server(&self) -> Result<Option<&'a str>, Malformed> {
        match entry(self.metadata, METADATA_NAMESPACE)? {
            Some(metadata) => text(metadata, "virtual_server"),
            None => Ok(None),
        }
    }

    /// What Envoy says of a response: attribute `response.code_details` (`response_attributes`).
    pub(in crate::ext_proc) fn details(&self) -> Result<Option<&'a str>, Malformed> {
        for attributes in &self.attributes {
            let details = find(attributes, 2)?.map(|fields| text(fields.bytes(), RESPONSE_DETAILS));
            if let Some(details) = details.transpose()?.flatten() {
                return Ok(Some(details));
            }
        }
        Ok(None)
    }
}

impl<'a> Headers<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut headers = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, map) => headers.map = map.bytes(),
                (3, end) => headers.end_of_stream = end.flag(),
                _ => {}
            }
        }
        Ok(headers)
    }

    /// The header fields as the exchange reads them.
    pub(in crate::ext_proc) fn fields(&self) -> Result<Vec<Header<'a>>, Malformed> {
        header_fields(self.map)
    }

    /// `HeaderMap` as it came: what [`header_fields`] reads.
    pub(in crate::ext_proc) fn map(&self) -> &'a [u8] {
        self.map
    }
}

/// The fields of a `HeaderMap`.
pub(in crate::ext_proc) fn header_fields(map: &[u8]) -> Result<Vec<Header<'_>>, Malformed> {
    let mut headers = Vec::with_capacity(24);
    for field in fields(map) {
        let (1, field) = field? else { continue };
        let mut header = Header { name: "", value: &[] };
        for field in fields(field.bytes()) {
            match field? {
                (1, name) => header.name = name.text()?,
                // Envoy fills `raw_value`; older ones and other senders `value`
                (2 | 3, value) if !value.bytes().is_empty() => header.value = value.bytes(),
                _ => {}
            }
        }
        headers.push(header);
    }
    Ok(headers)
}

impl<'a> Body<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut body = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, bytes) => body.bytes = bytes.bytes(),
                (2, end) => body.end_of_stream = end.flag(),
                _ => {}
            }
        }
        Ok(body)
    }
}

/// The last field of that number, as protobuf has it.
fn find(message: &[u8], number: u64) -> Result<Option<super::wire::Field<'_>>, Malformed> {
    let mut found = None;
    for field in fields(message) {
        let (its, field) = field?;
        if its == number {
            found = Some(field);
        }
    }
    Ok(found)
}

/// The value of `key` in a message whose first field is a map of messages (`Metadata.filter_metadata`,
/// `Struct.fields`).
fn entry<'a>(message: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, Malformed> {
    for field in fields(message) {
        let (1, field) = field? else { continue };
        if find(field.bytes(), 1)?.is_some_and(|its| its.bytes() == key.as_bytes()) {
            return Ok(find(field.bytes(), 2)?.map(super::wire::Field::bytes));
        }
    }
    Ok(None)
}

/// The text under `key` in a `Struct`; `None` if it is no text.
fn text<'a>(fields: &'a [u8], key: &str) -> Result<Option<&'a str>, Malformed> {
    match entry(fields, key)? {
        Some(value) => find(value, 3)?.map(super::wire::Field::text).transpose(),
        None => Ok(None),
    }
}
