//! What a sealed token looks like: base64url of version, key id, nonce, ciphertext and tag.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Longest token that is opened, in bytes of text.
pub(super) const MAX_TOKEN_BYTES: usize = 4096;

/// The format below. Another one gets another number, and both are opened while replicas of both live.
const VERSION: u8 = 1;

/// Bytes of a key id.
pub(super) const KEY_ID_BYTES: usize = 4;

/// Names the key a token is sealed with.
pub(super) type KeyId = [u8; KEY_ID_BYTES];

/// What a token is for. It is part of the key and of the authenticated data: one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Session,
    Hairpin,
    Broker,
    Probe,
}

impl Purpose {
    pub(super) const ALL: [Self; 4] = [Self::Session, Self::Hairpin, Self::Broker, Self::Probe];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Hairpin => "hairpin",
            Self::Broker => "broker",
            Self::Probe => "probe",
        }
    }

    fn authenticated(self) -> Aad<Vec<u8>> {
        Aad::from([b"mcp-gateway\0", self.as_str().as_bytes(), &[0, VERSION]].concat())
    }
}

/// Seals `payload`; `None` only if the system has no randomness.
pub(super) fn seal(
    key: &RandomizedNonceKey,
    id: KeyId,
    purpose: Purpose,
    mut payload: Vec<u8>,
) -> Option<String> {
    debug_assert_eq!(key.algorithm(), &AES_256_GCM);
    let nonce = key.seal_in_place_append_tag(purpose.authenticated(), &mut payload).ok()?;
    let bytes = [&[VERSION][..], &id, nonce.as_ref(), &payload].concat();
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// A token taken apart, nothing of it believed yet.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) key: KeyId,
    nonce: [u8; NONCE_LEN],
    ciphertext: Vec<u8>,
}

impl Envelope {
    /// Takes a token apart; `None` if it cannot be one of ours.
    pub(super) fn read(token: &[u8]) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (key, rest) = rest.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some(Self { key: *key, nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }

    /// The payload, if `key` sealed it for this purpose.
    pub(super) fn open(mut self, key: &RandomizedNonceKey, purpose: Purpose) -> Option<Vec<u8>> {
        let nonce = Nonce::from(&self.nonce);
        let length = key.open_in_place(nonce, purpose.authenticated(), &mut self.ciphertext).ok()?.len();
        self.ciphertext.truncate(length);
        Some(self.ciphertext)
    }
}
