//! What the store is called in Redis: a hash, and beside it what else is remembered of a gateway session; a lock for
//! each server session that is being opened.

use std::fmt::Write as _;

use crate::exchange::SessionId;

/// Field of the hash: the client has ended the gateway session.
pub(super) const REVOKED: &str = "revoked";

/// `mcp-gateway:session:{hex id}`
pub(super) fn session_key(session: SessionId) -> String {
    let mut key = String::from("mcp-gateway:session:");
    for byte in session.0 {
        // writing to a string cannot fail
        _ = write!(key, "{byte:02x}");
    }
    key
}

/// `mcp-gateway:session:{hex id}:lock:{server}`
pub(super) fn lock_key(session: SessionId, server: &str) -> String {
    format!("{}:lock:{server}", session_key(session))
}

/// `mcp-gateway:session:{hex id}:settled`, a sorted set: digests of the aliases that were answered, by when.
pub(super) fn settled_key(session: SessionId) -> String {
    format!("{}:settled", session_key(session))
}

/// `mcp-gateway:session:{hex id}:running`, a hash: digest of the client's request id -> server.
pub(super) fn running_key(session: SessionId) -> String {
    format!("{}:running", session_key(session))
}

/// `mcp-gateway:session:{hex id}:order`, a list: the fields of [`running_key`], the oldest first.
pub(super) fn order_key(session: SessionId) -> String {
    format!("{}:order", session_key(session))
}

/// `mcp-gateway:session:{hex id}:level`, a text.
pub(super) fn level_key(session: SessionId) -> String {
    format!("{}:level", session_key(session))
}

/// Field of the hash: the session at one server.
pub(super) fn server_field(server: &str) -> String {
    format!("server:{server}")
}

/// The server of a [`server_field`].
pub(super) fn server_of(field: &str) -> Option<&str> {
    field.strip_prefix("server:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_replicas_of_any_version_are_alike() {
        let session = SessionId([0xAB; 16]);
        let hex = "ab".repeat(16);
        assert_eq!(session_key(session), format!("mcp-gateway:session:{hex}"));
        assert_eq!(lock_key(session, "a/b"), format!("mcp-gateway:session:{hex}:lock:a/b"));
        for (key, name) in [
            (settled_key(session), "settled"),
            (running_key(session), "running"),
            (order_key(session), "order"),
            (level_key(session), "level"),
        ] {
            assert_eq!(key, format!("mcp-gateway:session:{hex}:{name}"));
        }
        assert_eq!(server_of(&server_field("a/b")), Some("a/b"));
        assert_eq!(server_of(REVOKED), None);
    }
}
