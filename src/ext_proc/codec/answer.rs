//! Answers to what Envoy waits for: most of what goes out, and written without a copy of a body.

use std::collections::VecDeque;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use prost::Message as _;
use smallvec::SmallVec;

use super::{Pending, Reply, Unfit, processing_mode, wire::Writer};
use crate::{
    credentials,
    envoy::{METADATA_NAMESPACE, METADATA_SERVER},
    exchange::{Answer, BodyModes, Mutation, Value},
    ext_proc::grpc,
    mcp::Edits,
};

/// Largest piece of a streamed body, in bytes. Envoy takes up to 64 KiB at once.
pub(super) const MAX_PIECE: usize = 62_000;

/// What an answer is about: its field in `ProcessingResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    RequestHeaders = 1,
    ResponseHeaders = 2,
    RequestBody = 3,
    ResponseBody = 4,
    RequestTrailers = 5,
    ResponseTrailers = 6,
}

/// Longest body that is copied behind its head, in bytes: one frame is cheaper than two.
const MAX_COPIED: usize = 8 << 10;

/// Puts the answer to what is `pending` into `out`. `received` is the body as it came: what is edited, and what goes on
/// where Envoy keeps none (`FULL_DUPLEX_STREAMED`).
pub(in crate::ext_proc) fn answer(
    pending: Pending,
    answer: &Answer,
    received: &Bytes,
    out: &mut VecDeque<Reply>,
) -> Result<(), Unfit> {
    let Answer { mutation, edits, modes } = answer;
    let body = NewBody { received, edits };
    let length = (!edits.is_empty()).then(|| body.len());
    match pending {
        Pending::Nothing | Pending::Held { complete: false } => return Err(Unfit(pending)),
        Pending::RequestBody => {
            let body = Some(body).filter(|_| length.is_some());
            out.push_back(changed(About::RequestBody, mutation, length, None, body));
        }
        Pending::Held { complete: true } => {
            out.push_back(changed(About::RequestHeaders, mutation, length, *modes, None));
            out.extend(pieces(About::RequestBody, body.whole(), true));
        }
        Pending::Piece { end_of_stream } => {
            out.extend(pieces(About::RequestBody, body.whole(), end_of_stream));
        }
        _ if length.is_some() => return Err(Unfit(pending)),
        Pending::RequestHeaders { .. } => {
            out.push_back(changed(About::RequestHeaders, mutation, None, *modes, None));
        }
        Pending::RequestTrailers => out.push_back(unchanged(About::RequestTrailers)),
        Pending::ResponseHeaders { .. } => {
            out.push_back(changed(About::ResponseHeaders, mutation, None, *modes, None));
        }
        Pending::ResponseTrailers => out.push_back(unchanged(About::ResponseTrailers)),
    }
    Ok(())
}

/// A body that came, and what of it is replaced.
#[derive(Clone, Copy)]
struct NewBody<'a> {
    received: &'a Bytes,
    edits: &'a Edits,
}

impl NewBody<'_> {
    fn len(&self) -> usize {
        self.edits.len(self.received)
    }

    /// In one piece, copied where it is edited.
    fn whole(&self) -> Bytes {
        if self.edits.is_empty() { self.received.clone() } else { self.edits.apply(self.received).into() }
    }

    /// Puts a short one behind `out`; a long one is left as its pieces, what came of it uncopied.
    fn put(&self, out: &mut Writer) -> SmallVec<[Bytes; 3]> {
        let pieces = self.edits.pieces(self.received);
        if self.len() <= MAX_COPIED {
            pieces.for_each(|piece| out.0.extend_from_slice(piece));
            return SmallVec::new();
        }
        let came = self.received.as_ptr_range();
        let is_of_it = |piece: &[u8]| came.contains(&piece.as_ptr());
        pieces
            .filter(|piece| !piece.is_empty())
            .map(
                |piece| {
                    if is_of_it(piece) {
                        self.received.slice_ref(piece)
                    } else {
                        Bytes::copy_from_slice(piece)
                    }
                },
            )
            .collect()
    }
}

/// Pieces of another answer's body; `last`: nothing follows.
pub(in crate::ext_proc) fn response_pieces(body: Vec<u8>, last: bool) -> impl Iterator<Item = Reply> {
    pieces(About::ResponseBody, body.into(), last)
}

/// `body` in pieces of at most [`MAX_PIECE`] bytes; an empty body is one empty piece.
fn pieces(about: About, body: Bytes, last: bool) -> impl Iterator<Item = Reply> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let mut body = rest.take()?;
        if body.len() > MAX_PIECE {
            rest = Some(body.split_off(MAX_PIECE));
        }
        Some(piece(about, body, last && rest.is_none()))
    })
}

fn piece(about: About, body: Bytes, last: bool) -> Reply {
    let (mut out, length) = (begin(0, 0), body.len());
    let streamed = |out: &mut Writer| {
        out.flag(2, last);
        out.length(1, length);
    };
    let mutation = |out: &mut Writer| out.message(3, length, streamed);
    let common = |out: &mut Writer| out.message(COMMON_BODY_MUTATION, length, mutation);
    out.message(about as u64, length, |out| out.message(ONLY_RESPONSE, length, common));
    Reply::new(out.0, [body].into_iter().filter(|body| !body.is_empty()).collect())
}

fn unchanged(about: About) -> Reply {
    let mut out = begin(0, 0);
    out.message(about as u64, 0, |_| {});
    Reply::new(out.0, SmallVec::new())
}

/// The changes to what the answer is `about`. `length` is the body's new one, where it has one.
///
/// Fields go out with the body last, so that it need not be copied; protobuf leaves their order free.
fn changed(
    about: About,
    mutation: &Mutation,
    length: Option<usize>,
    modes: Option<BodyModes>,
    body: Option<NewBody<'_>>,
) -> Reply {
    let following = length.filter(|_| body.is_some()).unwrap_or_default();
    let mut out = begin(mutation.set.len(), following.min(MAX_COPIED));
    if let Some(server) = &mutation.route_to {
        out.message(DYNAMIC_METADATA, 0, |out| route(out, server.name.as_str()));
    }
    if let Some(modes) = modes {
        out.bytes(MODE_OVERRIDE, &processing_mode(modes).encode_to_vec());
    }
    let common = |out: &mut Writer| {
        out.flag(COMMON_CLEAR_ROUTE_CACHE, mutation.route_to.is_some());
        // present even when empty: Envoy heeds clear_route_cache only beside it
        out.message(COMMON_HEADER_MUTATION, 0, |out| header_mutation(out, mutation, length));
        if body.is_some() {
            out.message(COMMON_BODY_MUTATION, following, |out| out.length(1, following));
        }
    };
    out.message(about as u64, following, |out| out.message(ONLY_RESPONSE, following, common));
    let body = body.map(|body| body.put(&mut out)).unwrap_or_default();
    Reply::new(out.0, body)
}

// Fields of `ProcessingResponse`, of `HeadersResponse` and `BodyResponse`, of `CommonResponse`, ...
const DYNAMIC_METADATA: u64 = 8;
const MODE_OVERRIDE: u64 = 9;
const ONLY_RESPONSE: u64 = 1;
const COMMON_HEADER_MUTATION: u64 = 2;
const COMMON_BODY_MUTATION: u64 = 3;
const COMMON_CLEAR_ROUTE_CACHE: u64 = 5;
const MUTATION_SET: u64 = 1;
const MUTATION_REMOVE: u64 = 2;

/// Room for about this many header fields, and for the bytes of a body.
fn begin(fields: usize, body: usize) -> Writer {
    Writer(grpc::begin(128 + 64 * fields + body))
}

fn header_mutation(out: &mut Writer, mutation: &Mutation, length: Option<usize>) {
    for (name, value) in &mutation.set {
        match value {
            Value::Static(text) => set(out, name, text.as_bytes()),
            Value::Text(text) => set(out, name, text.as_bytes()),
            Value::Credential(secret, part) => set(out, name, &credentials::reveal(secret, *part)),
        }
    }
    if let Some(length) = length {
        set(out, "content-length", length.to_string().as_bytes());
    }
    for name in &mutation.remove {
        out.bytes(MUTATION_REMOVE, name.as_bytes());
    }
}

/// `HeaderValueOption`: it is added, or replaces what there is.
fn set(out: &mut Writer, name: &str, raw_value: &[u8]) {
    out.message(MUTATION_SET, 0, |out| {
        out.message(1, 0, |out| {
            out.bytes(1, name.as_bytes());
            out.bytes(3, raw_value);
        });
        out.number(3, HeaderAppendAction::OverwriteIfExistsOrAdd as u64);
    });
}

/// `{mcp_gateway: {server: NAME}}` (`Struct`), which the bootstrap's server routes match on.
fn route(out: &mut Writer, server: &str) {
    let single = |out: &mut Writer, key: &str, value: &dyn Fn(&mut Writer)| {
        out.message(1, 0, |out| {
            out.bytes(1, key.as_bytes());
            out.message(2, 0, |out| value(out));
        });
    };
    single(out, METADATA_NAMESPACE, &|out| {
        out.message(5, 0, |out| single(out, METADATA_SERVER, &|out| out.bytes(3, server.as_bytes())));
    });
}
