//! What a sealed token looks like: base64url of version, key id, nonce, ciphertext and tag.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use smallvec::SmallVec;

use crate::exchange::AliasKind;

/// Longest token that is opened, in bytes of text.
pub(super) const MAX_TOKEN_BYTES: usize = 4096;

/// Longest payload whose token is opened, in bytes.
pub(super) const MAX_SEALED_BYTES: usize = MAX_TOKEN_BYTES / 4 * 3 - 1 - KEY_ID_BYTES - NONCE_LEN - TAG_BYTES;

/// Bytes of the tag of AES-256-GCM.
const TAG_BYTES: usize = 16;

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
    Alias(AliasKind),
    Place,
}

impl Purpose {
    pub(super) const ALL: [Self; 10] = [
        Self::Session,
        Self::Hairpin,
        Self::Broker,
        Self::Probe,
        Self::Alias(AliasKind::Request),
        Self::Alias(AliasKind::Progress),
        Self::Alias(AliasKind::Task),
        Self::Alias(AliasKind::Event),
        Self::Alias(AliasKind::Cursor),
        Self::Place,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Hairpin => "hairpin",
            Self::Broker => "broker",
            Self::Probe => "probe",
            Self::Alias(AliasKind::Request) => "alias request",
            Self::Alias(AliasKind::Progress) => "alias progress",
            Self::Alias(AliasKind::Task) => "alias task",
            Self::Alias(AliasKind::Event) => "alias event",
            Self::Alias(AliasKind::Cursor) => "alias cursor",
            Self::Place => "place",
        }
    }

    fn authenticated(self) -> Aad<SmallVec<[u8; 32]>> {
        let mut data = SmallVec::new();
        data.extend_from_slice(b"mcp-gateway\0");
        data.extend_from_slice(self.as_str().as_bytes());
        data.extend_from_slice(&[0, VERSION]);
        Aad::from(data)
    }
}

/// Seals `payload` under a nonce that no other payload of this purpose is sealed with by `key`.
pub(super) fn seal(
    key: &LessSafeKey,
    id: KeyId,
    purpose: Purpose,
    nonce: [u8; NONCE_LEN],
    mut payload: Vec<u8>,
) -> Option<String> {
    let sealed = key.seal_in_place_append_tag(Nonce::from(&nonce), purpose.authenticated(), &mut payload);
    sealed.ok()?;
    let bytes = [&[VERSION][..], &id, &nonce, &payload].concat();
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// A token taken apart, nothing of it believed yet.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) key: KeyId,
    nonce: [u8; NONCE_LEN],
    /// All of it; the ciphertext is the end.
    bytes: Vec<u8>,
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
        let nonce = rest.first_chunk()?;
        Some(Self { key: *key, nonce: *nonce, bytes })
    }

    /// The payload, if `key` sealed it for this purpose.
    pub(super) fn open(&mut self, key: &LessSafeKey, purpose: Purpose) -> Option<&[u8]> {
        let ciphertext = self.bytes.get_mut(1 + KEY_ID_BYTES + NONCE_LEN..)?;
        let payload = key.open_in_place(Nonce::from(&self.nonce), purpose.authenticated(), ciphertext);
        payload.ok().map(|payload| &*payload)
    }
}
