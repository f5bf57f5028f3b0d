//! What a server sends to a client, made fit for it: ids, tokens and URIs that lead back to the server.
//!
//! ```text
//!  pieces of a body --Rewriter--> whole messages --Origin--> Outcome --Rewriter--> pieces of a body
//! ```
//!
//! What a server names by itself and a client repeats (the `id` and the `progressToken` of its requests, its tasks, the
//! ids of its events) becomes an [`Alias`](super::Alias); a URI that would not lead to it becomes one that does. Every
//! other byte is the server's.

mod answer;
mod event;
mod message;
mod stream;

use std::sync::Arc;

use super::{Alias, AliasKind, SessionId, Tokens};
use crate::{
    mcp::{ClientCapabilities, splice::quoted},
    routing::{Server, Snapshot},
};

pub use stream::{MAX_HELD_EVENT, MAX_HELD_JSON, MAX_OPEN_REQUESTS, Rewriter};

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod stream_tests;

/// Whose messages they are, and for whom.
#[derive(Clone, Debug)]
pub struct Origin {
    pub snapshot: Arc<Snapshot>,
    pub server: Arc<Server>,
    /// The client's gateway session; all zero: it has none.
    pub session: SessionId,
    /// What the client announced.
    pub client: ClientCapabilities,
    /// Whether URIs in answers may have to lead back to the server.
    pub rewrites_uris: bool,
    /// Whether answers name tasks: the request was one of `tasks/`, or is to run as a task.
    pub rewrites_tasks: bool,
}

/// What one message of a server becomes.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on as it is.
    Same,
    Changed(Vec<u8>),
    /// A request that the client did not announce: it does not go on, and the server gets this JSON-RPC error.
    Refused(Vec<u8>),
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message (`application/json`).
    Json,
    /// `text/event-stream`.
    EventStream,
}

/// What goes on of a body so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    pub body: Vec<u8>,
    /// JSON-RPC errors that the server is to get for requests the client did not announce.
    pub refused: Vec<Vec<u8>>,
}

impl Origin {
    /// The text that stands for `original` of the server in the client's session.
    fn alias(&self, kind: AliasKind, original: &str, tokens: &impl Tokens) -> String {
        let server = self.server.name.as_str().into();
        tokens.seal_alias(kind, &Alias { session: self.session, server, original: original.into() })
    }

    /// The same as a JSON string.
    fn quoted_alias(&self, kind: AliasKind, original: &str, tokens: &impl Tokens) -> Vec<u8> {
        quoted(&self.alias(kind, original, tokens))
    }
}
