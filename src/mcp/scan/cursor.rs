//! A place in a message, moving forward over the tokens that are read.

use std::borrow::Cow;

use super::super::splice::Span;
use super::keys::{Level, Seen};
use super::lexer::{self, MAX_DEPTH, Stop};
use super::text::unescape;
use super::{Fault, Id, Text};

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Objects and arrays open around this place.
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn fail<T>(&self, fault: Fault) -> Result<T, Stop> {
        Err(Stop { fault, at: self.at })
    }

    #[inline]
    pub(super) fn space(&mut self) {
        self.at = lexer::space(self.text.as_bytes(), self.at);
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.eat(byte) { Ok(()) } else { self.fail(Fault::Syntax) }
    }

    /// Passes over one value, from its first byte; says where it is.
    pub(super) fn skip(&mut self) -> Result<Span, Stop> {
        let start = self.at;
        self.at = lexer::value_end(self.text.as_bytes(), start, MAX_DEPTH.saturating_sub(self.depth))?;
        Ok(Span { start, end: self.at })
    }

    /// Reads a string; anything else is `fault`.
    pub(super) fn text(&mut self, fault: Fault) -> Result<Text<'a>, Stop> {
        if self.peek() != Some(b'"') {
            return self.fail(fault);
        }
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let plain = lexer::plain_end(bytes, start + 1);
        let value = if bytes.get(plain) == Some(&b'"') {
            self.at = plain + 1;
            Cow::Borrowed(self.slice(start + 1, plain))
        } else {
            self.at = lexer::string_end(bytes, start)?;
            let inner = self.slice(start + 1, self.at - 1);
            Cow::Owned(unescape(inner).ok_or(Stop { fault: Fault::LoneSurrogate, at: start })?)
        };
        Ok(Text { span: Span { start, end: self.at }, value })
    }

    /// Reads a string or an integer; anything else is `fault`.
    pub(super) fn id(&mut self, fault: Fault) -> Result<Id<'a>, Stop> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        self.at = match self.peek() {
            Some(b'"') => lexer::string_end(bytes, start)?,
            Some(b'-' | b'0'..=b'9') => lexer::number_end(bytes, start)?,
            Some(_) | None => return self.fail(fault),
        };
        let token = self.slice(start, self.at);
        if !token.starts_with('"') && token.contains(['.', 'e', 'E']) {
            return Err(Stop { fault, at: start });
        }
        Ok(Id(token))
    }

    /// Enters an object: its members follow from [`Cursor::next_key`].
    pub(super) fn open(&mut self) -> Result<(), Stop> {
        self.expect(b'{')?;
        self.depth += 1;
        Ok(())
    }

    /// Steps from `{` or the end of a member to the value of the next one; none at the end of the object.
    pub(super) fn next_key(&mut self, first: bool) -> Result<Option<Text<'a>>, Stop> {
        self.space();
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(None);
        }
        if !first {
            self.expect(b',')?;
            self.space();
        }
        let key = self.text(Fault::Syntax)?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(Some(key))
    }

    /// Walks one object that is read: `member` gets every key and must move past its value.
    pub(super) fn object(
        &mut self,
        level: Level,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Stop>,
    ) -> Result<Span, Stop> {
        let start = self.at;
        let (mut seen, mut first) = (Seen::new(level), true);
        self.open()?;
        while let Some(key) = self.next_key(first)? {
            first = false;
            seen.admit(&key.value).map_err(|fault| Stop { fault, at: key.span.start })?;
            member(self, key.value)?;
        }
        Ok(Span { start, end: self.at })
    }

    /// Walks one object whose keys may repeat: `member` gets every key and must move past its value.
    pub(super) fn any_object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut first = true;
        self.open()?;
        while let Some(key) = self.next_key(first)? {
            first = false;
            member(self, &key.value)?;
        }
        Ok(())
    }

    /// Walks one array: `element` must move past each of its elements.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.expect(b'[')?;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        self.depth += 1;
        loop {
            element(self)?;
            self.space();
            if self.eat(b']') {
                self.depth -= 1;
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }
}
