//! Keys of the objects that are read: none twice, none that only looks like one of the protocol's.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Fault;

/// Members of one object that is read: the top level, `params`, `params.ref`, `params._meta`.
pub const MAX_MEMBERS: usize = 128;

/// Prefix of the protocol's own keys in `_meta` (2026-07-28, basic, `_meta`).
const META_PREFIX: &str = "io.modelcontextprotocol/";

/// Which object is read, and so which of its keys are the protocol's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Top,
    Params,
    Reference,
    Meta,
    /// An object the protocol says nothing about: only repeated keys are refused.
    Plain,
}

impl Level {
    fn protected(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["jsonrpc", "id", "method", "params", "result", "error"],
            Self::Params => &[
                "name",
                "arguments",
                "_meta",
                "uri",
                "ref",
                "cursor",
                "protocolVersion",
                "requestId",
                "task",
                "taskId",
                "progressToken",
                "inputResponses",
                "requestState",
            ],
            Self::Reference => &["type", "name", "uri"],
            Self::Meta => &[
                "progressToken",
                "io.modelcontextprotocol/protocolVersion",
                "io.modelcontextprotocol/clientCapabilities",
                "io.modelcontextprotocol/clientInfo",
                "io.modelcontextprotocol/logLevel",
                "io.modelcontextprotocol/related-task",
                "io.modelcontextprotocol/serverInfo",
                "io.modelcontextprotocol/subscriptionId",
            ],
            Self::Plain => &[],
        }
    }
}

/// The keys of one object so far.
///
/// Two keys with one 64-bit hash count as repeated. For honest keys that is less likely than a broken memory cell;
/// a sender who makes a pair that collides has its own message refused, and cannot make the comparison slow.
#[derive(Debug)]
pub(super) struct Seen {
    level: Level,
    /// One bit for each of the protocol's, by its place among them.
    known: u32,
    /// Hashes of all others.
    others: SmallVec<[u64; 16]>,
}

impl Seen {
    pub(super) fn new(level: Level) -> Self {
        Self { level, known: 0, others: SmallVec::new() }
    }

    /// Takes one more decoded key.
    pub(super) fn admit(&mut self, key: &str) -> Result<(), Fault> {
        let is_new = match self.level.protected().iter().position(|name| *name == key) {
            Some(place) => {
                let before = self.known;
                self.known |= 1 << place;
                self.known != before
            }
            None => self.admit_other(key)?,
        };
        match self.known.count_ones() as usize + self.others.len() {
            _ if !is_new => Err(Fault::RepeatedKey),
            0..=MAX_MEMBERS => Ok(()),
            _ => Err(Fault::TooManyMembers),
        }
    }

    /// Takes a key that is none of the protocol's; says whether it is new.
    fn admit_other(&mut self, key: &str) -> Result<bool, Fault> {
        if is_lookalike(self.level, key) {
            return Err(Fault::LookalikeKey);
        }
        let hash = if matches!(self.level, Level::Meta) && key.starts_with(META_PREFIX) {
            // a key of a revision to come: two that differ in case only are one
            hash(folded(key).to_ascii_lowercase().as_bytes())
        } else {
            hash(key.as_bytes())
        };
        let is_new = !self.others.contains(&hash);
        self.others.push(hash);
        Ok(is_new)
    }
}

/// Whether a lenient reader might take `key`, which is none of the protocol's, for one of them.
fn is_lookalike(level: Level, key: &str) -> bool {
    let folded = folded(key);
    let prefixed =
        |key: &str| key.get(..META_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(META_PREFIX));
    level.protected().iter().any(|name| name.eq_ignore_ascii_case(&folded))
        || matches!(level, Level::Meta) && prefixed(&folded) && !key.starts_with(META_PREFIX)
}

/// The key as readers that match keys in any case fold it (Go's `encoding/json`), but for the case of ASCII letters:
/// the long s and the Kelvin sign are the only other characters that fold to ASCII. And only up to the first NUL,
/// where readers written in C end.
fn folded(key: &str) -> Cow<'_, str> {
    if key.bytes().all(|byte| matches!(byte, 1..0x80)) {
        return Cow::Borrowed(key);
    }
    let fold = |letter| match letter {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        _ => letter,
    };
    Cow::Owned(key.chars().take_while(|&letter| letter != '\0').map(fold).collect())
}

fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum ^ u64::from_le_bytes(*word)));
    mix(sum ^ rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// Both halves of a product, folded: every bit of `sum` moves every bit of the result.
#[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn mix(sum: u64) -> u64 {
    let product = u128::from(sum ^ 0x9E37_79B9_7F4A_7C15) * 0xA076_1D64_78BD_642F;
    product as u64 ^ (product >> 64) as u64
}
