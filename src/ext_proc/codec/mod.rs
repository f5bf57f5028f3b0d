//! Envoy's messages to the exchange's inputs, and its steps to Envoy's messages.
//!
//! ```text
//!  bytes --Message::read--> Event --> stream            [borrowed: nothing of it is copied]
//!  bytes <-------- Reply <-- answer, immediate, ... <-- stream
//! ```
//!
//! **Invariant**: pure. Holds no state and waits for nothing.

mod answer;
mod instead;
mod message;
mod wire;

pub(super) use answer::{answer, response_pieces};
pub(super) use instead::{immediate, replaced, replaced_head, wait};
pub(super) use message::{Body, Event, Headers, Message, header_fields};
pub(super) use wire::Malformed;

use bytes::{Bytes, BytesMut};
use envoy_types::pb::envoy::{
    extensions::filters::http::ext_proc::v3::{
        ProcessingMode,
        processing_mode::{BodySendMode, HeaderSendMode},
    },
    service::ext_proc::v3::ProcessingResponse,
};
use smallvec::SmallVec;

use super::grpc;
use crate::exchange::{BodyMode, BodyModes};

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

/// A message to Envoy (`ProcessingResponse`), as gRPC sends it.
#[derive(Debug)]
pub(super) struct Reply {
    /// The message with its prefix, up to where the body stands in it.
    head: Bytes,
    /// A long body, its last bytes: what it is made of.
    body: SmallVec<[Bytes; 3]>,
}

impl Reply {
    /// `message` was written behind [`grpc::begin`].
    fn new(message: BytesMut, body: SmallVec<[Bytes; 3]>) -> Self {
        let following = body.iter().map(Bytes::len).sum();
        Self { head: grpc::finish(message, following), body }
    }

    fn of(message: &ProcessingResponse) -> Self {
        Self { head: grpc::encoded(message), body: SmallVec::new() }
    }

    /// What is sent, in order.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.head).chain(self.body)
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
