//! One configuration in as many Secrets as it needs: a Secret holds a mebibyte.
//!
//! ```text
//!  fits:         NAME {config.json}
//!  does not fit: NAME {parts: 2, digest: D}   NAME-1 {part, digest: D}   NAME-2 {part, digest: D}
//! ```
//!
//! The Secrets are written one by one. The digest, of the whole text, tells which of them belong together.

use std::{collections::BTreeMap, fmt::Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::ByteString;
use secrecy::SecretString;

use crate::credentials::{CredentialPart, reveal};

/// Most Secrets of one configuration.
pub const MAX_SHARDS: usize = 16;
/// Most bytes of configuration in one of them.
const SHARD_BYTES: usize = 900 << 10;

const WHOLE: &str = "config.json";
const PARTS: &str = "parts";
const PART: &str = "part";
const DIGEST: &str = "digest";

/// One of the Secrets.
#[derive(Clone, Debug)]
pub struct Shard {
    pub name: String,
    /// Its data, before base64.
    pub entries: Vec<(String, SecretString)>,
}

/// A configuration that no set of Secrets holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration of {0} bytes is larger than {limit}; register fewer servers", limit = MAX_BYTES)]
pub struct TooLarge(pub usize);

const MAX_BYTES: usize = SHARD_BYTES * (MAX_SHARDS - 1);

/// The names that the Secrets of a configuration can have: `NAME`, then `NAME-1` to `NAME-15`.
pub fn shard_names(name: &str) -> impl Iterator<Item = String> {
    (0..MAX_SHARDS).map(move |index| shard_name(name, index))
}

fn shard_name(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{index}") }
}

/// The Secrets that hold `text`, the one called `name` last: who reads it finds the others new already.
pub fn split(name: &str, text: &SecretString) -> Result<Vec<Shard>, TooLarge> {
    split_by(SHARD_BYTES, name, text)
}

pub(super) fn split_by(most: usize, name: &str, text: &SecretString) -> Result<Vec<Shard>, TooLarge> {
    let bytes = reveal(text, CredentialPart::Whole);
    if bytes.len() <= most {
        return Ok(vec![Shard { name: name.to_owned(), entries: vec![(WHOLE.to_owned(), text.clone())] }]);
    }
    let digest = || (DIGEST.to_owned(), SecretString::from(fingerprint(&bytes)));
    // a `SecretString` is text
    let whole = String::from_utf8_lossy(&bytes);
    let mut shards = Vec::new();
    let mut rest: &str = &whole;
    while !rest.is_empty() {
        let (part, after) = rest.split_at_checked(rest.floor_char_boundary(most)).unwrap_or((rest, ""));
        let entries = vec![(PART.to_owned(), SecretString::from(part)), digest()];
        shards.push(Shard { name: shard_name(name, shards.len() + 1), entries });
        rest = after;
    }
    if shards.len() >= MAX_SHARDS {
        return Err(TooLarge(bytes.len()));
    }
    let entries = vec![(PARTS.to_owned(), SecretString::from(shards.len().to_string())), digest()];
    shards.push(Shard { name: name.to_owned(), entries });
    Ok(shards)
}

/// The data of a Secret.
pub(super) type Entries = BTreeMap<String, ByteString>;

/// What the Secret that is named says of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Whole(Vec<u8>),
    /// It is in these Secrets, as far as they say the same digest.
    Parts {
        names: Vec<String>,
        digest: Vec<u8>,
    },
}

impl Head {
    /// Fails with what is wrong with the Secret.
    pub(super) fn read(name: &str, entries: &Entries) -> Result<Self, &'static str> {
        if let Some(whole) = entries.get(WHOLE) {
            return Ok(Self::Whole(whole.0.clone()));
        }
        let parts = entries.get(PARTS).ok_or("has neither `config.json` nor `parts`")?;
        let parts: Option<usize> = str::from_utf8(&parts.0).ok().and_then(|parts| parts.parse().ok());
        let parts =
            parts.filter(|parts| (1..MAX_SHARDS).contains(parts)).ok_or("has no number as `parts`")?;
        let digest = entries.get(DIGEST).ok_or("has no `digest`")?.0.clone();
        Ok(Self::Parts { names: (1..=parts).map(|index| shard_name(name, index)).collect(), digest })
    }
}

/// The part in a Secret, if it belongs to the configuration of that digest.
pub(super) fn part(entries: &Entries, digest: &[u8]) -> Option<Vec<u8>> {
    let belongs = entries.get(DIGEST).is_some_and(|its| its.0 == digest);
    entries.get(PART).filter(|_| belongs).map(|part| part.0.clone())
}

/// Whether `whole` is what the digest was made of.
pub(super) fn is_whole(whole: &[u8], digest: &[u8]) -> bool {
    fingerprint(whole).as_bytes() == digest
}

/// SHA-256 in hexadecimal digits.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        // writing to a `String` cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}
