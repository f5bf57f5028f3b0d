//! Why a body is not a message the gateway takes.

use super::{Id, MAX_DEPTH, MAX_MEMBERS};

/// What is wrong with a body. The text is for the developer of the client that sent it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Fault {
    #[error("the body is empty: send one JSON-RPC message")]
    Empty,
    #[error("the body starts with a byte order mark: send plain UTF-8")]
    ByteOrderMark,
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    #[error("the body is not valid JSON")]
    Syntax,
    #[error("a \\u escape is half of a surrogate pair")]
    LoneSurrogate,
    #[error("the body is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("there are bytes after the JSON value: send one message in each body")]
    TrailingBytes,
    #[error("the body is a JSON-RPC batch: send one message in each body")]
    Batch,
    #[error("the body is not a JSON object")]
    NotAnObject,
    #[error("a key is repeated in one object")]
    RepeatedKey,
    #[error("a key can be taken for a key of the protocol, but is not written like it")]
    LookalikeKey,
    #[error("an object of the envelope has more than {MAX_MEMBERS} members")]
    TooManyMembers,
    #[error("\"jsonrpc\" must be \"2.0\"")]
    NotJsonRpc2,
    #[error("\"id\" must be a string or an integer")]
    BadId,
    #[error("\"method\" must be a string")]
    BadMethod,
    #[error("\"params\", or a member of it that the protocol defines, has the wrong JSON type")]
    BadParams,
    #[error("a message has \"method\", or else one of \"result\" and \"error\"")]
    NotAMessage,
    #[error("a list has more elements than the gateway reads")]
    TooManyElements,
}

impl Fault {
    /// The JSON-RPC error code: -32700 where the body is not JSON, -32602 for `params`, -32600 otherwise.
    pub fn code(self) -> i64 {
        match self {
            Self::Empty
            | Self::ByteOrderMark
            | Self::NotUtf8
            | Self::Syntax
            | Self::LoneSurrogate
            | Self::TooDeep
            | Self::TrailingBytes => -32700,
            Self::BadParams => -32602,
            Self::Batch
            | Self::NotAnObject
            | Self::RepeatedKey
            | Self::LookalikeKey
            | Self::TooManyMembers
            | Self::NotJsonRpc2
            | Self::BadId
            | Self::BadMethod
            | Self::NotAMessage
            | Self::TooManyElements => -32600,
        }
    }
}

/// A refused body: what is wrong, where, and which request to answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{fault} (at byte {at})")]
pub struct ScanError<'a> {
    pub fault: Fault,
    /// Byte offset in the body; 0 where the fault is in the message as a whole.
    pub at: usize,
    /// The request's `id` if it stands before the fault, or anywhere in a body that is JSON; none if it is repeated.
    pub id: Option<Id<'a>>,
}
