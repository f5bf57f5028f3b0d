//! Tokens of JSON (RFC 8259): where one that begins at a place ends, in bytes that are known to be UTF-8.
//!
//! Places go in and out as plain numbers, so that a walk over a long text keeps its own in a register.

use super::{Fault, Id, ScanError};

/// Objects and arrays inside one another, the outermost counted: as deep as `serde_json` goes.
pub const MAX_DEPTH: usize = 127;

/// A fault and its byte offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) fault: Fault,
    pub(super) at: usize,
}

impl Stop {
    pub(super) fn with_id(self, id: Option<Id<'_>>) -> ScanError<'_> {
        ScanError { fault: self.fault, at: self.at, id }
    }
}

pub(super) fn syntax<T>(at: usize) -> Result<T, Stop> {
    Err(Stop { fault: Fault::Syntax, at })
}

/// The first place from `at` that is not white space.
#[inline]
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of a value of any shape: without recursion, one bit for each object or array open around the place.
///
/// At most `limit` of them may be open at once.
pub(super) fn value_end(bytes: &[u8], mut at: usize, limit: usize) -> Result<usize, Stop> {
    let mut open = Nesting { depth: 0, objects: 0 };
    loop {
        at = match bytes.get(at) {
            Some(b'"') => string_end(bytes, at)?,
            Some(b'-' | b'0'..=b'9') => number_end(bytes, at)?,
            Some(b't') => literal_end(bytes, at, b"true")?,
            Some(b'f') => literal_end(bytes, at, b"false")?,
            Some(b'n') => literal_end(bytes, at, b"null")?,
            Some(bracket @ (b'{' | b'[')) => {
                let object = *bracket == b'{';
                if open.depth >= limit {
                    return Err(Stop { fault: Fault::TooDeep, at });
                }
                let inside = space(bytes, at + 1);
                if bytes.get(inside) != Some(if object { &b'}' } else { &b']' }) {
                    open.push(object);
                    at = if object { key_end(bytes, inside)? } else { inside };
                    continue;
                }
                inside + 1
            }
            Some(_) | None => return syntax(at),
        };
        // the value has ended: close what ends with it, up to the next value
        loop {
            if open.depth == 0 {
                return Ok(at);
            }
            at = space(bytes, at);
            let object = open.in_object();
            match bytes.get(at) {
                Some(b',') => {
                    at = space(bytes, at + 1);
                    if object {
                        at = key_end(bytes, at)?;
                    }
                    break;
                }
                Some(b'}') if object => open.pop(),
                Some(b']') if !object => open.pop(),
                Some(_) | None => return syntax(at),
            }
            at += 1;
        }
    }
}

/// The objects and arrays open around a place; bit 0 of `objects` is set where the innermost is an object.
struct Nesting {
    depth: usize,
    objects: u128,
}

impl Nesting {
    #[inline]
    fn push(&mut self, object: bool) {
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The place of the value after a key and its colon.
#[inline]
pub(super) fn key_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let at = space(bytes, string_end(bytes, at)?);
    if bytes.get(at) != Some(&b':') {
        return syntax(at);
    }
    Ok(space(bytes, at + 1))
}

/// The end of a string; its escapes are checked, not decoded.
#[inline]
pub(super) fn string_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    if bytes.get(at) != Some(&b'"') {
        return syntax(at);
    }
    let mut at = at + 1;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escapes_end(bytes, at)?,
            Some(_) | None => return syntax(at),
        }
    }
}

/// The end of a run of escapes.
fn escapes_end(bytes: &[u8], mut at: usize) -> Result<usize, Stop> {
    while bytes.get(at) == Some(&b'\\') {
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
            Some(b'u') if is_hex(bytes.get(at + 2..at + 6)) => at += 6,
            Some(_) | None => return syntax(at),
        }
    }
    Ok(at)
}

fn is_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// The end of a number.
#[inline]
pub(super) fn number_end(bytes: &[u8], mut at: usize) -> Result<usize, Stop> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits_end(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(bytes, at + 1 + sign)?;
    }
    Ok(at)
}

#[inline]
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, Stop> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start { syntax(at) } else { Ok(at) }
}

fn literal_end(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Stop> {
    let end = at + word.len();
    if bytes.get(at..end) == Some(word) { Ok(end) } else { syntax(at) }
}

/// The first place from `at` that holds a quote, a backslash or a control character; the end if none does.
///
/// Eight bytes at a time: in a word, a byte less than `n` borrows from its top bit when `n` is taken off it.
#[inline]
pub(super) fn plain_end(bytes: &[u8], start: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word;
    let mut at = start;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5C);
        let found = (less(word, 0x20) | less(quote, 1) | less(backslash, 1)) & TOPS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
        if at == start + LONG {
            at = long_plain_end(bytes, at);
        }
    }
    while bytes.get(at).is_some_and(|&byte| is_plain(byte)) {
        at += 1;
    }
    at
}

/// From here on a string is long. Most are not, and are done before this pays.
const LONG: usize = 32;

/// A place up to which all is plain, near the first that is not.
#[inline(never)] // out of the way of the short ones
fn long_plain_end(bytes: &[u8], mut at: usize) -> usize {
    // all of a chunk, with no way out in between: compilers make vectors of it
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<64>)
        && chunk.iter().fold(true, |all, &byte| all & is_plain(byte))
    {
        at += chunk.len();
    }
    at
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}
