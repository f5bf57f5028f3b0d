//! The lines of an event stream, each with all of its bytes.

use memchr::memchr2;

/// One line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Line<'a> {
    /// All of it, its end included.
    pub bytes: &'a [u8],
    /// How it ends: `\n`, `\r` or `\r\n`; empty where the text ends first.
    pub end: &'a [u8],
    pub field: Field<'a>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field<'a> {
    /// Ends the event.
    Blank,
    Comment,
    Data(&'a [u8]),
    Event(&'a [u8]),
    Id(&'a [u8]),
    /// Digits only.
    Retry(&'a [u8]),
    /// Readers pass over it.
    Unknown,
}

impl<'a> Field<'a> {
    /// Reads a line without its end.
    pub fn of(line: &'a [u8]) -> Self {
        if line.is_empty() {
            return Self::Blank;
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"" => Self::Comment,
            b"data" => Self::Data(value),
            b"event" => Self::Event(value),
            b"id" if !value.contains(&0) => Self::Id(value),
            b"retry" if value.iter().all(u8::is_ascii_digit) => Self::Retry(value),
            _ => Self::Unknown,
        }
    }
}

/// The lines of a text: together they are the whole text. A byte order mark is part of its line.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let len = line_len(rest);
        let (line, after) = rest.split_at_checked(len)?;
        let end_len = match after {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] if line.is_empty() => return None,
            [] => 0,
        };
        let (end, after) = after.split_at_checked(end_len)?;
        let (bytes, _) = rest.split_at_checked(len + end_len)?;
        rest = after;
        Some(Line { bytes, end, field: Field::of(line) })
    })
}

/// Bytes up to the next line end, or to the end of the text.
pub fn line_len(text: &[u8]) -> usize {
    memchr2(b'\n', b'\r', text).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_has_its_field_and_its_end() {
        let text = b"id: 7\r\ndata:x\n: hi\r\rretry: 1\nretry: x\nevent\n\nid: \0";
        let read: Vec<_> = lines(text).map(|line| (line.field, line.end)).collect();
        let expected: [(Field<'_>, &[u8]); 9] = [
            (Field::Id(b"7"), b"\r\n"),
            (Field::Data(b"x"), b"\n"),
            (Field::Comment, b"\r"),
            (Field::Blank, b"\r"),
            (Field::Retry(b"1"), b"\n"),
            (Field::Unknown, b"\n"),
            (Field::Event(b""), b"\n"),
            (Field::Blank, b"\n"),
            (Field::Unknown, b""),
        ];
        assert_eq!(read, expected);
    }

    proptest! {
        #[test]
        fn the_lines_of_a_text_are_the_whole_text(text in prop::collection::vec(prop::sample::select(b"\r\n:a ".to_vec()), 0..20)) {
            let together: Vec<u8> = lines(&text).flat_map(|line| line.bytes.to_vec()).collect();
            prop_assert_eq!(together, text);
        }
    }
}
