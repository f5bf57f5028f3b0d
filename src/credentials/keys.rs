//! The key ring: the first key seals, every key opens, so that keys can be rotated without losing sessions.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, NONCE_LEN, UnboundKey},
    digest, hkdf, hmac,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::zeroize::Zeroizing;

use super::envelope::{Envelope, KEY_ID_BYTES, KeyId, Purpose, seal};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Keys in a ring at most: one that seals and those of rotations not yet over.
const MAX_KEYS: usize = 16;

/// The keys of a gateway; all its replicas have the same.
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// Reads a key file: one key a line, the one that seals first; blank lines and lines that begin with `#` do not
    /// count. A key is 32 random bytes in base64 or hexadecimal, after `id:` (8 hexadecimal digits) if the id that is
    /// derived from the key is not wanted.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        for (line, written) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let key = Key::parse(written).map_err(|fault| KeyError::Line { line, fault })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyError::Line { line, fault: KeyFault::Duplicate });
            }
            if keys.len() == MAX_KEYS {
                return Err(KeyError::TooMany);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// A ring without a key: seals and opens nothing.
    pub fn empty() -> Self {
        Self { keys: Vec::new() }
    }

    /// A ring with one new key, which is lost with this process.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(&mut *key).map_err(|_unspecified| KeyError::NoRandomness)?;
        let key = Key::new(None, &key).map_err(|fault| KeyError::Line { line: 1, fault })?;
        Ok(Self { keys: vec![key] })
    }

    /// Seals with the first key; `None` without one, or without randomness.
    pub(super) fn seal(&self, purpose: Purpose, payload: Vec<u8>) -> Option<String> {
        let key = self.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        seal(key.of(purpose)?, key.id, purpose, nonce, payload)
    }

    /// Seals with the first key, the same payload to the same text each time; `None` without a key.
    ///
    /// The nonce is made of the payload, as SIV does (RFC 5297): two payloads under one nonce are as unlikely as two
    /// random nonces that are alike.
    pub(super) fn seal_alike(&self, purpose: Purpose, payload: Vec<u8>) -> Option<String> {
        let key = self.keys.first()?;
        let tag = hmac::sign(&key.nonces, &payload);
        let nonce = *tag.as_ref().first_chunk()?;
        seal(key.of(purpose)?, key.id, purpose, nonce, payload)
    }

    /// Opens with the key that the token names, and reads the payload.
    pub(super) fn open<P>(
        &self,
        purpose: Purpose,
        token: &[u8],
        read: impl FnOnce(&[u8]) -> Option<P>,
    ) -> Option<P> {
        let mut envelope = Envelope::read(token)?;
        let key = self.keys.iter().find(|key| key.id == envelope.key)?;
        read(envelope.open(key.of(purpose)?, purpose)?)
    }
}

/// Ids only.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| format!("{:08x}", u32::from_be_bytes(key.id)));
        f.debug_list().entries(ids).finish()
    }
}

/// Why there is no key ring. Says nothing of what a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("line {line}: {fault}")]
    Line { line: usize, fault: KeyFault },
    #[error("there is no key in it; make one with `{MAKE_ONE}`")]
    Empty,
    #[error("there are more than {MAX_KEYS} keys in it; remove those whose sessions have ended")]
    TooMany,
    #[error("the system has no random bytes to give")]
    NoRandomness,
}

/// What is wrong with one line of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("the key is neither base64 nor hexadecimal; make one with `{MAKE_ONE}`")]
    NotText,
    #[error("the key has {0} bytes and must have {KEY_BYTES}; make one with `{MAKE_ONE}`")]
    Length(usize),
    #[error("the id before the colon must be 8 hexadecimal digits")]
    Id,
    #[error("a key with the same id stands on a line before; remove one of them")]
    Duplicate,
    #[error("the key cannot be used; make one with `{MAKE_ONE}`")]
    Unusable,
}

const MAKE_ONE: &str = "openssl rand -base64 32";

/// One key of the ring. Each purpose has a key of its own derived from it, so that the many tokens of one purpose
/// do not use up the random nonces of another.
struct Key {
    id: KeyId,
    by_purpose: Vec<(Purpose, LessSafeKey)>,
    /// Makes the nonces of what is sealed alike each time.
    nonces: hmac::Key,
}

impl Key {
    /// Reads `[id:]key`.
    fn parse(written: &str) -> Result<Self, KeyFault> {
        let (id, key) = match written.split_once(':') {
            Some((id, key)) => (Some(hex(id.trim()).ok_or(KeyFault::Id)?), key.trim()),
            None => (None, written),
        };
        let id = id.map(|id| KeyId::try_from(&**id).map_err(|_length| KeyFault::Id)).transpose()?;
        let key = match hex(key) {
            Some(key) => key,
            None => Zeroizing::new(
                BASE64.decode(unified(key).as_bytes()).map_err(|_undecoded| KeyFault::NotText)?,
            ),
        };
        let key: &[u8; KEY_BYTES] =
            key.as_slice().try_into().map_err(|_length| KeyFault::Length(key.len()))?;
        Self::new(id, key)
    }

    fn new(id: Option<KeyId>, key: &[u8; KEY_BYTES]) -> Result<Self, KeyFault> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"mcp-gateway token key").extract(key);
        let derived = |label: &str| {
            let mut derived = Zeroizing::new([0; KEY_BYTES]);
            let okm =
                prk.expand(&[label.as_bytes()], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut *derived));
            okm.map(|()| derived).map_err(|_unspecified| KeyFault::Unusable)
        };
        let of_purpose = |purpose: Purpose| {
            let key = UnboundKey::new(&AES_256_GCM, &*derived(purpose.as_str())?);
            key.map(|key| (purpose, LessSafeKey::new(key))).map_err(|_unspecified| KeyFault::Unusable)
        };
        Ok(Self {
            id: id.unwrap_or_else(|| derived_id(key)),
            by_purpose: Purpose::ALL.into_iter().map(of_purpose).collect::<Result<_, _>>()?,
            nonces: hmac::Key::new(hmac::HMAC_SHA256, &*derived("nonce")?),
        })
    }

    fn of(&self, purpose: Purpose) -> Option<&LessSafeKey> {
        self.by_purpose.iter().find(|(its, _)| *its == purpose).map(|(_, key)| key)
    }
}

/// The first bytes of SHA-256 over a label and the key: the same on every replica.
fn derived_id(key: &[u8; KEY_BYTES]) -> KeyId {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"mcp-gateway key id\0");
    hash.update(key);
    let hash = hash.finish();
    hash.as_ref().first_chunk::<KEY_ID_BYTES>().copied().unwrap_or_default()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Both alphabets of base64 are taken.
fn unified(key: &str) -> Zeroizing<String> {
    Zeroizing::new(key.replace('-', "+").replace('_', "/"))
}

/// `None` if it is not whole bytes in hexadecimal.
fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const HEX: &str = "3031323334353637383961626364656630313233343536373839616263646566";
    const OTHER: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

    #[test]
    fn keys_are_read_in_base64_and_hexadecimal_with_or_without_id() {
        for text in [BASE, BASE.trim_end_matches('='), HEX, &format!("# note\n\n  {BASE}  \r\n")] {
            assert_eq!(format!("{:?}", KeyRing::parse(text).unwrap()), "[\"72b59753\"]", "{text}");
        }
        let ring =
            KeyRing::parse(&format!("{BASE}\n0000BEEF: {}", OTHER.replace('/', "_").replace('+', "-")));
        assert_eq!(format!("{:?}", ring.unwrap()), "[\"72b59753\", \"0000beef\"]");
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line_and_without_its_text() {
        for (text, line, fault) in [
            ("c2hvcnQ=", 1, KeyFault::Length(5)),
            ("# one\nabcdef", 2, KeyFault::Length(3)),
            ("hunter2!", 1, KeyFault::NotText),
            (&format!("main:{BASE}"), 1, KeyFault::Id),
            (&format!("0000beef00:{BASE}"), 1, KeyFault::Id),
            (&format!("{BASE}\n{HEX}"), 2, KeyFault::Duplicate),
            (&format!("00000001:{BASE}\n00000001:{OTHER}"), 2, KeyFault::Duplicate),
        ] {
            let error = KeyRing::parse(text).unwrap_err();
            assert_eq!(error, KeyError::Line { line, fault }, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(KeyRing::parse("# none\n").unwrap_err(), KeyError::Empty);
        let short = KeyRing::parse("c2hvcnQ=").unwrap_err().to_string();
        let expected =
            "line 1: the key has 5 bytes and must have 32; make one with `openssl rand -base64 32`";
        assert_eq!(short, expected);
    }

    #[test]
    fn a_ring_is_bounded() {
        let line = |index: usize| format!("{index:08x}:{BASE}\n");
        assert!(KeyRing::parse(&(0..MAX_KEYS).map(line).collect::<String>()).is_ok());
        let text: String = (0..=MAX_KEYS).map(line).collect();
        assert_eq!(KeyRing::parse(&text).unwrap_err(), KeyError::TooMany);
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", KeyRing::parse(BASE).unwrap());
        assert!(!shown.contains("0123") && !shown.contains("MDEy"), "{shown}");
    }
}
