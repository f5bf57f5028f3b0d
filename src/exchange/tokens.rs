//! The sealed tokens that an exchange reads and writes; how they are sealed is the attachment's business.

use crate::mcp::{ClientCapabilities, Revision};

/// Names one gateway session in the store: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

/// What a gateway session id says once opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    /// Seconds since the Unix epoch.
    pub issued: u64,
    /// Seconds since the Unix epoch.
    pub expires: u64,
    /// What the client announced in `initialize`.
    pub capabilities: ClientCapabilities,
    /// Negotiated with the client.
    pub revision: Revision,
    /// The virtual server the session is bound to.
    pub virtual_server: Option<Box<str>>,
}

/// Why a session id is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionFault {
    /// Not sealed by this gateway, or with a key that is gone.
    Unknown,
    Expired,
}

/// The right of one of the gateway's own requests to reach one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HairpinRight {
    /// `namespace/name`.
    pub server: Box<str>,
    /// The server's hostname in Envoy when the right was given.
    pub hostname: Box<str>,
}

/// What of a server's own choosing a client repeats to it, each under an alias of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AliasKind {
    /// `id` of a request that the server sends.
    Request,
    /// `progressToken` of a request that the server sends.
    Progress,
    /// `taskId`.
    Task,
    /// `id` of an event of the server's answer to a POST.
    Event,
    /// `nextCursor` of a list that is asked for server by server.
    Cursor,
}

/// What an alias stands for. It means something in that session and at that server only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// All zero: the client has none.
    pub session: SessionId,
    /// `namespace/name`.
    pub server: Box<str>,
    /// As the server wrote it: the JSON token of an id or progress token, the text of anything else.
    pub original: Box<str>,
}

/// Longest [`Alias::original`] that is sealed, in bytes.
pub const MAX_ORIGINAL_BYTES: usize = 1 << 10;

/// Servers whose place a [`Place`] keeps at most.
pub const MAX_PLACES: usize = 16;

/// Longest event id that a [`Place`] keeps, in bytes.
pub const MAX_PLACE_BYTES: usize = 256;

/// How far a client has read its merged event stream (GET); the id of each of that stream's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub session: SessionId,
    /// The lists of tools, prompts and resources that the client knows of.
    pub versions: [u64; 3],
    /// The last event id of each server (`namespace/name`) on its own stream. The longest unchanged first: where
    /// there are too many, those are left out.
    pub servers: Vec<(Box<str>, Box<str>)>,
}

/// Opens and seals tokens. Implementations compute only: no I/O, no waiting.
pub trait Tokens {
    /// Opens a gateway session id (header `mcp-session-id`).
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault>;

    /// Opens the header of the gateway's own requests; `None` if it is not ours or has expired.
    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight>;

    /// Opens the header of a probe: its nonce. `None` if it is not ours or has expired.
    fn open_probe(&self, token: &[u8]) -> Option<Box<str>>;

    /// The text that a client gets for what `alias` stands for; the same text each time. Empty where there is
    /// no key, or `original` is over [`MAX_ORIGINAL_BYTES`]: it cannot be passed on.
    fn seal_alias(&self, kind: AliasKind, alias: &Alias) -> String;

    /// Opens what [`Tokens::seal_alias`] has sealed as the same kind; `None` if it is not ours.
    fn open_alias(&self, kind: AliasKind, token: &str) -> Option<Alias>;

    /// Seals what the broker must know and believe about a request.
    /// `virtual_servers`: `namespace/name` of each that limits it.
    fn seal_routed(&self, virtual_servers: &[&str]) -> String;
}
