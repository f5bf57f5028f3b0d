//! Strings and ids of a message: their place in the body, and what they say.

use std::borrow::Cow;
use std::fmt;

use super::super::splice::Span;
use super::Fault;
use super::cursor::Cursor;

/// A JSON string that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text<'a> {
    /// Its bytes in the body, with the quotes.
    pub span: Span,
    /// What it says, escapes decoded; borrowed where there are none.
    pub value: Cow<'a, str>,
}

/// The JSON token of a request id or a progress token, a string or an integer, exactly as it was sent.
///
/// Two ids are equal when their tokens are: compare [`Id::canonical`] where a peer may have spelled one anew.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id<'a>(pub(super) &'a str);

impl<'a> Id<'a> {
    /// Reads one token, for example an id that was kept as text; none unless it is a string or an integer.
    pub fn parse(token: &'a str) -> Option<Self> {
        let mut cursor = Cursor::new(token);
        let id = cursor.id(Fault::BadId).ok()?;
        cursor.peek().is_none().then_some(id)
    }

    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Where it stands in `body`, which it was read from; none in any other body.
    pub fn span_in(&self, body: &[u8]) -> Option<Span> {
        let start = self.0.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let span = Span { start, end: start.checked_add(self.0.len())? };
        (span.end <= body.len()).then_some(span)
    }

    /// The id with its escapes decoded and the closing quote dropped: `"a` for a string, `1` for an integer.
    pub fn canonical(&self) -> Cow<'a, str> {
        let Some(inner) = self.0.strip_suffix('"') else { return Cow::Borrowed(self.0) };
        if inner.contains('\\') {
            unescape(inner).map_or(Cow::Borrowed(inner), Cow::Owned)
        } else {
            Cow::Borrowed(inner)
        }
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Decodes the inside of a string; none if an escape is no character.
pub(super) fn unescape(mut raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    while let Some((plain, _)) = raw.split_once('\\') {
        text.push_str(plain);
        let (letter, len) = first_char(raw.get(plain.len()..)?)?;
        text.push(letter);
        raw = raw.get(plain.len() + len..)?;
    }
    text.push_str(raw);
    Some(text)
}

/// The first character a string's inside stands for, and the bytes it is written in.
pub(in crate::mcp) fn first_char(raw: &str) -> Option<(char, usize)> {
    let Some(escape) = raw.strip_prefix('\\') else {
        let letter = raw.chars().next()?;
        return Some((letter, letter.len_utf8()));
    };
    let letter = match escape.bytes().next()? {
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        byte @ (b'"' | b'\\' | b'/') => char::from(byte),
        b'u' => return code_point(escape.get(1..)?),
        _ => return None,
    };
    Some((letter, 2))
}

/// Reads what follows `\u`: one unit, or the two of a surrogate pair; with the length of the whole escape.
fn code_point(digits: &str) -> Option<(char, usize)> {
    let unit = |digits: &str| u16::from_str_radix(digits, 16).ok();
    let first = unit(digits.get(..4)?)?;
    if let Some(letter) = char::from_u32(first.into()) {
        return Some((letter, 6));
    }
    let second = unit(digits.get(4..)?.strip_prefix("\\u")?.get(..4)?)?;
    let letter = char::decode_utf16([first, second]).next()?.ok()?;
    Some((letter, 12))
}
