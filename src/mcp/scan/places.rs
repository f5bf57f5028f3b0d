//! Finds values by the way that leads to them, such as the `uri` of every content of a result, in one walk that
//! copies nothing of the text.

use super::super::splice::Span;
use super::cursor::Cursor;
use super::lexer::Stop;
use super::members::whole;
use super::{Fault, ScanError, Text};

/// One step from a value into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// To the member of an object with this key.
    Key(&'static str),
    /// To each element of an array.
    Each,
}

/// A value that was looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Which of the ways led there, counted from 0.
    pub way: usize,
    pub span: Span,
}

/// Where the values stand that `ways` lead to, inner ones before those around them.
///
/// The whole of `json` is checked to be one JSON value. Unlike those of a message, its objects may repeat keys: every
/// value is found, so that readers who take the first and readers who take the last are served alike.
pub fn places<'a>(json: &'a [u8], ways: &[&[Step]]) -> Result<Vec<Place>, ScanError<'a>> {
    let ways: Vec<Way<'_>> = ways.iter().copied().enumerate().collect();
    whole(json, |cursor| {
        let mut found = Vec::new();
        value(cursor, &ways, &mut found)?;
        Ok(found)
    })
}

/// What the string at `span` of `body` says; none where no string stands there.
pub fn text(body: &[u8], span: Span) -> Option<Text<'_>> {
    let token = str::from_utf8(span.of(body)).ok()?;
    let text = Cursor::new(token).text(Fault::Syntax).ok()?;
    (text.span.end == token.len()).then_some(Text { span, ..text })
}

/// Which way, and what is left of it.
type Way<'w> = (usize, &'w [Step]);

/// Passes over one value that `ways` have led to; goes into it no deeper than they do.
fn value(cursor: &mut Cursor<'_>, ways: &[Way<'_>], found: &mut Vec<Place>) -> Result<(), Stop> {
    let start = cursor.at();
    match cursor.peek() {
        Some(b'{') if ways.iter().any(|(_, left)| matches!(left, [Step::Key(_), ..])) => {
            cursor.any_object(|cursor, key| {
                let inner = after(ways, |step| matches!(step, Step::Key(name) if name == key));
                value(cursor, &inner, found)
            })?;
        }
        Some(b'[') if ways.iter().any(|(_, left)| matches!(left, [Step::Each, ..])) => {
            let inner = after(ways, |step| step == Step::Each);
            cursor.array(|cursor| value(cursor, &inner, found))?;
        }
        Some(_) | None => _ = cursor.skip()?,
    }
    let span = Span { start, end: cursor.at() };
    let ended = ways.iter().filter(|(_, left)| left.is_empty());
    found.extend(ended.map(|&(way, _)| Place { way, span }));
    Ok(())
}

/// What is left of those of `ways` that begin with such a step.
fn after<'w>(ways: &[Way<'w>], is_taken: impl Fn(Step) -> bool) -> Vec<Way<'w>> {
    let rest = |&(way, left): &Way<'w>| {
        let (step, left) = left.split_first()?;
        is_taken(*step).then_some((way, left))
    };
    ways.iter().filter_map(rest).collect()
}
