//! What one server said to `initialize`.

use std::{fmt, sync::Arc};

use prost::Message as _;

use crate::{mcp::Revision, proto};

/// Longest session id that is taken from a server, in bytes.
const MAX_SESSION_ID_BYTES: usize = 1024;

/// A session at one server; cheap to clone. `Debug` does not show its id.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSession {
    id: Option<Arc<str>>,
    revision: Revision,
}

/// A server's session id that no header can carry (2025-11-25, transports, session management).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session id is empty, longer than {MAX_SESSION_ID_BYTES} bytes or not visible ASCII")]
pub struct InvalidSessionId;

impl ServerSession {
    /// A session under the id the server gave: visible ASCII, at most [`MAX_SESSION_ID_BYTES`].
    pub fn new(id: &[u8], revision: Revision) -> Result<Self, InvalidSessionId> {
        let visible = id.iter().all(|byte| matches!(byte, 0x21..=0x7E));
        if id.is_empty() || id.len() > MAX_SESSION_ID_BYTES || !visible {
            return Err(InvalidSessionId);
        }
        let id = str::from_utf8(id).map_err(|_not_ascii| InvalidSessionId)?;
        Ok(Self { id: Some(id.into()), revision })
    }

    /// The server issues no sessions; its revision is remembered all the same.
    pub fn without_id(revision: Revision) -> Self {
        Self { id: None, revision }
    }

    /// `None`: the server issues no sessions. Never show it to a client or in a log.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Negotiated with the server.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether it is still good when the server no longer knows the id `lost`.
    pub(super) fn outlives(&self, lost: Option<&str>) -> bool {
        lost.is_none() || self.id() != lost
    }

    /// As it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let id = self.id.as_deref().unwrap_or_default().to_owned();
        proto::ServerSession { id, revision: self.revision.as_str().to_owned() }.encode_to_vec()
    }

    /// `None` if another version wrote what this one cannot read.
    pub(super) fn decode(stored: &[u8]) -> Option<Self> {
        let stored = proto::ServerSession::decode(stored).ok()?;
        let revision = Revision::parse(&stored.revision)?;
        if stored.id.is_empty() {
            return Some(Self::without_id(revision));
        }
        Self::new(stored.id.as_bytes(), revision).ok()
    }
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_ref().map(|_| format_args!("[hidden]"));
        f.debug_struct("ServerSession").field("id", &id).field("revision", &self.revision).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_visible_ascii_of_bounded_length() {
        let new = |id: &[u8]| ServerSession::new(id, Revision::LATEST);
        for id in [&b""[..], b"a b", b"a\r\n", b"\x7f", "é".as_bytes(), &[b'x'; MAX_SESSION_ID_BYTES + 1]] {
            assert_eq!(new(id), Err(InvalidSessionId), "{id:?}");
        }
        assert_eq!(new(&[b'~'; MAX_SESSION_ID_BYTES]).unwrap().id().unwrap().len(), MAX_SESSION_ID_BYTES);
    }

    #[test]
    fn debug_hides_the_id() {
        let session = ServerSession::new(b"secret-1", Revision::LATEST).unwrap();
        assert_eq!(format!("{session:?}"), "ServerSession { id: Some([hidden]), revision: V2025_11_25 }");
        let none = ServerSession::without_id(Revision::LATEST);
        assert_eq!(format!("{none:?}"), "ServerSession { id: None, revision: V2025_11_25 }");
    }

    #[test]
    fn only_the_lost_id_is_replaced() {
        let session = ServerSession::new(b"b", Revision::LATEST).unwrap();
        assert!(session.outlives(None) && session.outlives(Some("a")) && !session.outlives(Some("b")));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_again(id in "[!-~]{0,60}") {
            let session = match id.as_str() {
                "" => ServerSession::without_id(Revision::V2025_03_26),
                id => ServerSession::new(id.as_bytes(), Revision::V2025_06_18).unwrap(),
            };
            prop_assert_eq!(ServerSession::decode(&session.encode()), Some(session));
        }

        #[test]
        fn what_is_stored_by_others_does_not_panic(stored: Vec<u8>) {
            ServerSession::decode(&stored);
        }
    }
}
