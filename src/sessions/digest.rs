//! What clients and servers name as they like, at a length of ours.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};

use crate::mcp::Id;

/// Bytes of a digest.
const BYTES: usize = 16;

/// Stands for a text of any length; two texts have the same one only by chance, or rather never.
pub(super) type Digest = [u8; BYTES];

/// The first bytes of SHA-256: the same in every replica.
pub(super) fn of(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes()).as_ref().first_chunk().copied().unwrap_or_default()
}

/// The same for every spelling of one JSON-RPC id.
pub(super) fn of_id(token: &str) -> Digest {
    of(&canonical(token))
}

/// A JSON-RPC id as it is compared.
pub(super) fn canonical(token: &str) -> Cow<'_, str> {
    Id::parse(token).map_or(Cow::Borrowed(token), |id| id.canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_id_are_one_and_ids_are_not_mixed_up() {
        assert_eq!(of_id(r#""\u0061""#), of_id(r#""a""#));
        assert_ne!(of_id("1"), of_id(r#""1""#));
        assert_ne!(of_id("1"), of_id("2"));
    }
}
