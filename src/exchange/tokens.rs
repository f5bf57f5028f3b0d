//! The sealed tokens that an exchange reads and writes; how they are sealed is the attachment's business.

use crate::mcp::Revision;

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
    /// Bits of what the client announced in `initialize`.
    pub capabilities: u32,
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

/// Opens and seals tokens. Implementations compute only: no I/O, no waiting.
pub trait Tokens {
    /// Opens a gateway session id (header `mcp-session-id`).
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault>;

    /// Opens the header of the gateway's own requests; `None` if it is not ours or has expired.
    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight>;

    /// Opens the header of a probe: its nonce. `None` if it is not ours or has expired.
    fn open_probe(&self, token: &[u8]) -> Option<Box<str>>;

    /// Seals what the broker must know and believe about a request.
    /// `virtual_servers`: `namespace/name` of each that limits it.
    fn seal_routed(&self, virtual_servers: &[&str]) -> String;
}
