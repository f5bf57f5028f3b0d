//! One event of a stream, its lines changed where they must be.

use std::borrow::Cow;

use super::{AliasKind, Origin, Outcome, Tokens, message::Meaning};
use crate::mcp::sse::{Field, Line, lines};

/// What an event becomes.
#[derive(Debug)]
pub(super) struct Rewrite<'e> {
    /// Empty: nothing of it goes on.
    pub(super) event: Cow<'e, [u8]>,
    pub(super) meaning: Meaning,
    /// For the server, where its request was refused.
    pub(super) refused: Option<Vec<u8>>,
}

impl Origin {
    /// What `event`, all of its lines, becomes. Lines that need no change stay as they are, line ends included.
    pub(super) fn event<'e>(&self, event: &'e [u8], tokens: &impl Tokens) -> Rewrite<'e> {
        let data = data(event);
        let (outcome, meaning) =
            if data.is_empty() { (Outcome::Same, Meaning::Other) } else { self.read(&data, tokens) };
        let (event, refused) = match outcome {
            Outcome::Same if !lines(event).any(|line| self.is_renamed(&line)) => (Cow::Borrowed(event), None),
            Outcome::Same => (self.edited(event, None, tokens), None),
            Outcome::Changed(message) => (self.edited(event, Some(&message), tokens), None),
            // its place in the stream goes on without it, for a client that comes back
            Outcome::Refused(answer) if lines(event).any(|line| is_place(&line)) => {
                (self.edited(event, Some(b""), tokens), Some(answer))
            }
            Outcome::Refused(answer) => (Cow::Borrowed(&b""[..]), Some(answer)),
        };
        Rewrite { event, meaning, refused }
    }

    /// The same for the beginning of an event whose data goes on as it comes. Its last line may go on, too: it stays.
    pub(super) fn beginning<'e>(&self, beginning: &'e [u8], tokens: &impl Tokens) -> Cow<'e, [u8]> {
        let unfinished = lines(beginning).last().filter(|line| line.end.is_empty());
        let len = beginning.len() - unfinished.map_or(0, |line| line.bytes.len());
        let (whole, rest) = beginning.split_at_checked(len).unwrap_or((beginning, b""));
        let mut edited = self.edited(whole, None, tokens);
        edited.to_mut().extend_from_slice(rest);
        edited
    }

    /// The event with aliases for its ids and, where there is `new` data, with that for its own.
    fn edited<'e>(&self, event: &[u8], mut new: Option<&[u8]>, tokens: &impl Tokens) -> Cow<'e, [u8]> {
        let keeps_data = new.is_none();
        let mut edited = Vec::with_capacity(event.len() + 256);
        for line in lines(event) {
            match line.field {
                Field::Id(id) if self.is_renamed(&line) => {
                    let alias = self.alias(AliasKind::Event, &String::from_utf8_lossy(id), tokens);
                    push(&mut edited, b"id: ", alias.as_bytes(), &line);
                }
                Field::Data(_) if !keeps_data => {
                    for data in new.take().into_iter().flat_map(|new| new.split(|&byte| byte == b'\n')) {
                        push(&mut edited, b"data: ", data, &line);
                    }
                }
                Field::Blank
                | Field::Comment
                | Field::Data(_)
                | Field::Event(_)
                | Field::Id(_)
                | Field::Retry(_)
                | Field::Unknown => edited.extend_from_slice(line.bytes),
            }
        }
        Cow::Owned(edited)
    }

    /// Whether the line is an id of the server's that its client gets an alias for. An empty one, which makes a client
    /// forget the one before, stays.
    fn is_renamed(&self, line: &Line<'_>) -> bool {
        self.server.has_event_ids && matches!(line.field, Field::Id(id) if !id.is_empty())
    }
}

/// Whether the line tells a client how to come back.
fn is_place(line: &Line<'_>) -> bool {
    matches!(line.field, Field::Id(_) | Field::Retry(_))
}

/// Writes a line that ends as `like` does.
fn push(event: &mut Vec<u8>, name: &[u8], value: &[u8], like: &Line<'_>) {
    event.extend_from_slice(name);
    event.extend_from_slice(value);
    event.extend_from_slice(if like.end.is_empty() { b"\n" } else { like.end });
}

/// The `data` lines, joined with line feeds.
fn data(event: &[u8]) -> Cow<'_, [u8]> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    for line in lines(event) {
        let Field::Data(value) = line.field else { continue };
        match &mut joined {
            None => joined = Some(Cow::Borrowed(value)),
            Some(all) => {
                let all = all.to_mut();
                all.push(b'\n');
                all.extend_from_slice(value);
            }
        }
    }
    joined.unwrap_or_default()
}
