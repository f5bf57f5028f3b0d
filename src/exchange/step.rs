//! What an exchange is told, and what it asks for.

use std::{borrow::Cow, sync::Arc};

use secrecy::SecretString;
use smallvec::SmallVec;

use super::{Head, SessionId};
use crate::{
    mcp::{ClientCapabilities, Edits, Rejection, Response, Revision, header},
    routing::Server,
};

/// Something happened.
#[derive(Debug)]
pub enum Input<'a> {
    RequestHeaders {
        head: Head<'a>,
        /// No body follows.
        end_of_stream: bool,
        /// How Envoy will send the body.
        body_mode: BodyMode,
        /// The virtual server that a filter before the router named (dynamic metadata, which no client can set).
        virtual_server: Option<&'a str>,
    },
    /// The whole body (buffered), or the next piece of it (duplex).
    RequestBody {
        body: &'a [u8],
        end_of_stream: bool,
    },
    RequestTrailers,
    ResponseHeaders {
        head: Head<'a>,
        /// No body follows.
        end_of_stream: bool,
        /// What Envoy says of the response (`response.code_details`), where its filter asks for it.
        details: Option<&'a str>,
    },
    /// The next piece of a response whose body was asked for, or of the answer to a call that was made again.
    ResponseBody {
        body: &'a [u8],
        end_of_stream: bool,
    },
    ResponseTrailers,
    /// The answer to [`Step::Session`].
    Session(SessionOutcome),
    /// The answer to [`Step::Running`]: the server (`namespace/name`), where it is known.
    Running(Option<Box<str>>),
    /// The answer to [`Step::Replay`].
    Replay(ReplayOutcome),
}

/// How Envoy sends a body (`ProcessingMode.BodySendMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyMode {
    #[default]
    None,
    Buffered,
    FullDuplex,
}

/// What the attachment is to do next.
#[derive(Debug)]
pub enum Step {
    /// Answer what Envoy waits for.
    Answer(Answer),
    /// Answer the client; nothing is forwarded (`ImmediateResponse`). The name says why, for logs and metrics.
    Respond(Response, &'static str),
    /// Look the session up and, where the server issues sessions, open one; then [`Input::Session`].
    Session(SessionNeed),
    /// The server answered the call with this HTTP status, 404 or 400: it may have lost the session, and has not
    /// executed the call. 404: it has. 400: it has if it refuses a ping in that session, too. Then open
    /// another session, make the call again with the request body that was sent, and pass the answer on;
    /// then [`Input::Replay`].
    Replay(SessionNeed, u16),
    /// Look up which server runs the request of this JSON-RPC id in the session; then [`Input::Running`].
    Running(SessionId, Box<str>),
    /// The next piece of the response's body; `last`: nothing follows.
    Piece { body: Vec<u8>, last: bool },
    /// Send these messages to the server of the exchange, in its session, without waiting: errors for requests that its
    /// client cannot be asked.
    Reply(Vec<Vec<u8>>),
    /// The requests that the client knows under these aliases are over: nobody may answer them any more.
    Settle(Vec<String>),
    /// Nothing more is expected: end the stream with OK.
    End,
}

/// The answer to the message that Envoy waits for.
#[derive(Debug, Default)]
pub struct Answer {
    pub mutation: Mutation,
    /// What of the body that has come is replaced. Only in the answer to a body: the whole one, or a piece of one whose
    /// headers were answered, which is never edited.
    pub edits: Edits,
    /// New modes for the rest of the exchange; only in an answer to headers.
    pub modes: Option<BodyModes>,
}

/// What Envoy is to send from now on; both are always stated, since naming one would reset the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyModes {
    pub request_body: BodyMode,
    pub response_headers: bool,
    /// `FullDuplex` or `None`.
    pub response_body: BodyMode,
}

/// Names of header fields, as many as a call has to remove without memory of its own.
pub type Names = SmallVec<[Cow<'static, str>; 5]>;

/// Changes to the header fields.
#[derive(Debug, Default)]
pub struct Mutation {
    /// Overwrites or adds.
    pub set: Vec<(&'static str, Value)>,
    pub remove: Names,
    /// Choose the route again, and let only routes of this server match: it goes out as dynamic metadata, which no
    /// client can set.
    pub route_to: Option<Arc<Server>>,
}

impl Mutation {
    /// Removes `names` too, where it does not set them.
    #[must_use]
    pub(super) fn without(mut self, names: &[String]) -> Self {
        let Self { set, remove, .. } = &mut self;
        let is_left = |name: &&String| !set.iter().any(|(set, _)| set == name);
        remove.extend(names.iter().filter(is_left).map(|name| Cow::Owned(name.clone())));
        self
    }
}

/// The value of a header field.
#[derive(Clone, Debug)]
pub enum Value {
    Static(&'static str),
    Text(Arc<str>),
    /// Revealed by `credentials` when the answer is encoded, nowhere else.
    Credential(Arc<SecretString>, CredentialPart),
}

impl Value {
    /// A text that is safe as a header value.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }
}

/// What of a credential (`Bearer abc`) goes into a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialPart {
    /// `Bearer abc`.
    Whole,
    /// `abc`.
    Key,
}

/// Which server session a message needs.
#[derive(Clone, Debug)]
pub struct SessionNeed {
    pub session: SessionId,
    /// When the gateway session ends, in seconds since the Unix epoch.
    pub expires: u64,
    /// To offer to the server.
    pub revision: Revision,
    /// To declare to the server.
    pub capabilities: ClientCapabilities,
    pub server: Arc<Server>,
    /// What the message is about, for the header fields that policies of the server's route read.
    pub subject: Subject,
    /// Whether a session is opened where there is none. Answers and notifications mean nothing in another one.
    pub opens: bool,
    /// The message answers the request that the client knows under this alias, and may do so once.
    pub settles: Option<Box<str>>,
    /// The JSON-RPC id under which the client may cancel the request.
    pub request: Option<Arc<str>>,
}

/// What policies are told of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `None`: it is an answer.
    pub method: Option<&'static str>,
    /// The header field for the server's own name or URI, and its value.
    pub name: Option<(&'static str, Arc<str>)>,
}

impl Subject {
    /// The header fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let method = self.method.map(|method| (header::X_MCP_METHOD, method));
        method.into_iter().chain(self.name.as_ref().map(|(field, name)| (*field, &**name)))
    }
}

/// What came of looking a session up and opening one.
#[derive(Clone, Debug)]
pub enum SessionOutcome {
    /// The gateway session lives; for a server that issues sessions, its id and revision there.
    Ready(Option<(Arc<str>, Revision)>),
    /// There is none, and none is to be opened.
    Missing,
    /// The request was answered before, or is over.
    Settled,
    /// The gateway session was ended by DELETE.
    Revoked,
    /// The store does not answer.
    StoreUnavailable,
    /// The server answered `initialize` with this HTTP status, or with an error in 200.
    Refused { status: u16 },
    /// The server could not be reached in time.
    Unavailable,
}

/// What came of [`Step::Replay`].
#[derive(Debug)]
pub enum ReplayOutcome {
    /// The session lives after all: the server's answer stands.
    NotNeeded,
    /// There is another answer, of this `content-type`: its body follows as [`Input::ResponseBody`].
    Answered { content_type: Option<Box<str>> },
    /// It could not be made; the client is told why.
    Failed(Rejection),
}
