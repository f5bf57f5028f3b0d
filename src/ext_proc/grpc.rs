//! gRPC on one HTTP/2 stream: the messages that come, those that go, and how it ends.
//!
//! A message is a flag (0: not compressed), its length in four bytes, and protobuf (gRPC over HTTP2,
//! Length-Prefixed-Message). Large ones are neither copied nor held back: they go out as the pieces they are made of.

use std::future::poll_fn;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response, header};
use tonic::Status;

use crate::routing::Limits;

/// Room for what stands beside a body in a message, in bytes.
const HEADROOM: usize = 1 << 20;

/// Longest message that is taken, in bytes: it fits the largest body that a configuration may allow.
const MAX_MESSAGE: usize = Limits::MAX_BODY + HEADROOM;

/// Bytes before a message: its flag and its length.
pub(super) const PREFIX: usize = 5;

/// Most that is made room for before it has come, in bytes.
const MAX_FORESIGHT: usize = 1 << 20;

/// A message that is to be written, with room for its prefix and for `room` bytes.
pub(super) fn begin(room: usize) -> BytesMut {
    let mut message = BytesMut::with_capacity(PREFIX + room);
    message.put_bytes(0, PREFIX);
    message
}

/// What was written behind [`begin`], its prefix filled in; `following` bytes of the message come behind it.
pub(super) fn finish(mut message: BytesMut, following: usize) -> Bytes {
    let length = message.len() - PREFIX + following;
    if let Some([_, place @ ..]) = message.first_chunk_mut::<PREFIX>() {
        *place = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    }
    message.freeze()
}

/// A whole message.
pub(super) fn encoded(message: &impl prost::Message) -> Bytes {
    let mut bytes = begin(message.encoded_len());
    bytes.extend_from_slice(&message.encode_to_vec());
    finish(bytes, 0)
}

/// The messages that come.
pub(super) struct Inbound {
    body: RecvStream,
    /// What has come of the next message.
    held: Held,
}

enum Held {
    /// A slice of what the connection has read.
    Slice(Bytes),
    /// Of several frames.
    Joined(BytesMut),
}

impl Inbound {
    pub(super) fn new(body: RecvStream) -> Self {
        Self { body, held: Held::Slice(Bytes::new()) }
    }

    /// Waits for the next message; `None`: there are no more. Dropping the future loses nothing.
    pub(super) async fn message(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.held.message()? {
                return Ok(Some(message));
            }
            let Some(frame) = poll_fn(|cx| self.body.poll_data(cx)).await else {
                let is_over = self.held.is_empty();
                return if is_over {
                    Ok(None)
                } else {
                    Err(Status::cancelled("the stream ends in a message"))
                };
            };
            let frame = frame.map_err(closed)?;
            self.body.flow_control().release_capacity(frame.len()).map_err(closed)?;
            self.held.push(frame);
        }
    }
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Slice(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Takes the next message, if all of it has come.
    fn message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&[flag, ref length @ ..], rest)) = self.bytes().split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        if flag != 0 {
            return Err(Status::unimplemented("the message is compressed, which was not offered"));
        }
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_MESSAGE {
            return Err(Status::out_of_range(format!(
                "the message has {length} bytes; the limit is {MAX_MESSAGE}"
            )));
        }
        if rest.len() < length {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Slice(bytes) => {
                bytes.advance(PREFIX);
                bytes.split_to(length)
            }
            Self::Joined(bytes) => {
                bytes.advance(PREFIX);
                bytes.split_to(length).freeze()
            }
        }))
    }

    fn push(&mut self, frame: Bytes) {
        if self.is_empty() {
            *self = Self::Slice(frame);
            return;
        }
        if let Self::Slice(begun) = self {
            let whole =
                begun.get(1..PREFIX).and_then(|length| length.try_into().ok()).map_or(0, u32::from_be_bytes);
            let mut joined = BytesMut::with_capacity(PREFIX + (whole as usize).min(MAX_FORESIGHT));
            joined.extend_from_slice(begun);
            *self = Self::Joined(joined);
        }
        if let Self::Joined(joined) = self {
            joined.extend_from_slice(&frame);
        }
    }
}

/// The messages that go.
pub(super) struct Outbound {
    stream: SendStream<Bytes>,
}

impl Outbound {
    /// Begins the response.
    pub(super) fn open(mut respond: SendResponse<Bytes>) -> Result<Self, h2::Error> {
        let stream = respond.send_response(head(), false)?;
        Ok(Self { stream })
    }

    /// Sends the pieces of a message, the first one with its prefix, as the peer takes them: no more waits in memory
    /// than the connection's send buffer holds.
    pub(super) async fn message(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> Result<(), Status> {
        for mut piece in pieces {
            while !piece.is_empty() {
                self.stream.reserve_capacity(piece.len());
                let room = match self.stream.capacity() {
                    0 => poll_fn(|cx| self.stream.poll_capacity(cx)).await.transpose().map_err(closed)?,
                    room => Some(room),
                };
                let room = room.ok_or_else(|| Status::cancelled("the stream was closed"))?;
                self.stream.send_data(piece.split_to(room.min(piece.len())), false).map_err(closed)?;
            }
        }
        Ok(())
    }

    /// Waits until the peer has given the stream up.
    pub(super) async fn given_up(&mut self) -> Status {
        match poll_fn(|cx| self.stream.poll_reset(cx)).await {
            Ok(_) | Err(_) => Status::cancelled("the stream was closed"),
        }
    }

    /// Ends the response with `status`.
    pub(super) fn end(&mut self, status: &Status) {
        let mut trailers = HeaderMap::with_capacity(2);
        if status.add_header(&mut trailers).is_err() {
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("13"));
        }
        // one that is closed needs no end
        let _closed = self.stream.send_trailers(trailers);
    }
}

/// Answers a request with `status` alone.
pub(super) fn refuse(mut respond: SendResponse<Bytes>, status: &Status) {
    let mut response = head();
    if status.add_header(response.headers_mut()).is_ok() {
        let _closed = respond.send_response(response, true);
    }
}

fn head() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The peer has gone, which is how Envoy ends streams.
fn closed(_error: h2::Error) -> Status {
    Status::cancelled("the stream was closed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for message in messages {
            out.push(0);
            out.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            out.extend_from_slice(message);
        }
        out
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cuts in prop::collection::vec(1..30_usize, 1..60),
        ) {
            let bytes = Bytes::from(framed(&messages));
            let (mut held, mut found, mut rest) = (Held::Slice(Bytes::new()), Vec::new(), bytes);
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let frame = rest.split_to(cuts.next().unwrap().min(rest.len()));
                held.push(frame);
                while let Some(message) = held.message().unwrap() {
                    found.push(message.to_vec());
                }
            }
            prop_assert_eq!(found, messages);
            prop_assert!(held.is_empty());
        }
    }

    #[test]
    fn what_is_too_long_or_compressed_is_refused_before_it_has_come() {
        let mut long = Held::Slice(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]));
        assert_eq!(long.message().unwrap_err().code(), tonic::Code::OutOfRange);
        let mut compressed = Held::Slice(Bytes::from_static(&[1, 0, 0, 0, 0]));
        assert_eq!(compressed.message().unwrap_err().code(), tonic::Code::Unimplemented);
    }
}
