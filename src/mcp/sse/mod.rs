//! Server-sent events (WHATWG HTML, 9.2): an incremental reader and a writer.

mod line;

use std::borrow::Cow;

pub use line::{Field, Line, line_len, lines};

/// Bytes of one event, field names and line ends not counted: the limit of the reader.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// A comment that keeps a quiet stream open.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// One event. `data` may be empty: servers send such events to hand out an `id` before the first message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    pub event: Option<String>,
    pub id: Option<String>,
    /// The `data` lines, joined with line feeds.
    pub data: Vec<u8>,
    /// Milliseconds to wait before connecting again.
    pub retry: Option<u64>,
}

/// The event under way is longer than the reader's limit, in bytes. The stream cannot be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an event of the stream is longer than {0} bytes")]
pub struct EventTooLong(pub usize);

/// Reads events from chunks of any size; how a stream is cut does not change what is read.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// The line under way, when it began in an earlier chunk.
    line: Vec<u8>,
    event: Event,
    /// `data` lines of the event under way: from the second on, each is joined to the one before.
    data_lines: usize,
    /// Bytes the event under way holds in its fields.
    held: usize,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// Nothing but the first line was read: a byte order mark may stand before it.
    first_line: bool,
    failed: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Parser {
    /// A reader that gives up on an event longer than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Event::default(),
            data_lines: 0,
            held: 0,
            after_return: false,
            first_line: true,
            failed: false,
        }
    }

    /// Reads up to the end of the next event, taking what it read off `chunk`; none when `chunk` is used up.
    ///
    /// Call it until it returns none, then feed the next chunk. An event the stream ends in the middle of is none.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<Event>, EventTooLong> {
        while !self.failed {
            if self.after_return && !chunk.is_empty() {
                self.after_return = false;
                *chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
            }
            let len = line_len(chunk);
            let (piece, rest) = chunk.split_at_checked(len).unwrap_or_default();
            if self.held + self.line.len() + piece.len() > self.limit {
                break;
            }
            let Some((end, rest)) = rest.split_first() else {
                self.line.extend_from_slice(piece);
                *chunk = rest;
                return Ok(None);
            };
            *chunk = rest;
            self.after_return = *end == b'\r';
            if let Some(event) = self.end_line(piece) {
                return Ok(Some(event));
            }
        }
        self.failed = true;
        self.line = Vec::new();
        Err(EventTooLong(self.limit))
    }

    /// Takes the line under way, which `piece` ends; an empty one ends the event.
    fn end_line(&mut self, piece: &[u8]) -> Option<Event> {
        let mut began = std::mem::take(&mut self.line);
        let mut line = piece;
        if !began.is_empty() {
            began.extend_from_slice(piece);
            line = &began;
        }
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if !line.is_empty() {
            self.field(line);
            began.clear();
            self.line = began;
            return None;
        }
        self.held = 0;
        self.data_lines = 0;
        let event = std::mem::take(&mut self.event);
        (event != Event::default()).then_some(event)
    }

    fn field(&mut self, line: &[u8]) {
        let text = |value| String::from_utf8_lossy(value).into_owned();
        let value = match Field::of(line) {
            Field::Data(value) => {
                if self.data_lines > 0 {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.data_lines += 1;
                value
            }
            Field::Event(value) => {
                self.event.event = Some(text(value));
                value
            }
            Field::Id(value) => {
                self.event.id = Some(text(value));
                value
            }
            Field::Retry(value) => {
                self.event.retry = text(value).parse().ok();
                value
            }
            Field::Blank | Field::Comment | Field::Unknown => return,
        };
        self.held += value.len() + 1;
    }
}

/// One `message` event. Line ends in `data` (which JSON has only between tokens) become lines of the event.
///
/// An `id` with a line end or NUL in it cannot be written and is left out.
pub fn event(data: &[u8], id: Option<&str>) -> Vec<u8> {
    let mut event = Vec::with_capacity(data.len() + 64);
    event.extend_from_slice(b"event: message\n");
    if let Some(id) = id.filter(|id| !id.contains(['\r', '\n', '\0'])) {
        event.extend_from_slice(b"id: ");
        event.extend_from_slice(id.as_bytes());
        event.push(b'\n');
    }
    for line in unified(data).split(|&byte| byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

/// The data with line feeds for line ends.
fn unified(data: &[u8]) -> Cow<'_, [u8]> {
    if !data.contains(&b'\r') {
        return Cow::Borrowed(data);
    }
    let mut bytes = data.iter().copied().peekable();
    let mut unified = Vec::with_capacity(data.len());
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            unified.push(b'\n');
        } else {
            unified.push(byte);
        }
    }
    Cow::Owned(unified)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything a stream says, cut after each of `cuts` bytes in turn (the last size is used to the end).
    fn read(stream: &[u8], cuts: &[usize], limit: usize) -> (Vec<Event>, Option<EventTooLong>) {
        let (mut parser, mut events, mut rest) = (Parser::with_limit(limit), Vec::new(), stream);
        let mut sizes =
            cuts.iter().copied().chain(std::iter::repeat(cuts.last().copied().unwrap_or(usize::MAX)));
        while !rest.is_empty() {
            let mut chunk;
            (chunk, rest) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
            loop {
                match parser.next(&mut chunk) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => return (events, Some(error)),
                }
            }
            assert!(chunk.is_empty(), "a chunk is used up");
        }
        (events, None)
    }

    fn data(text: &str) -> Event {
        Event { data: text.into(), ..Event::default() }
    }

    #[test]
    fn streams_are_read_as_the_standard_says() {
        for (stream, events) in [
            ("data: a\n\n", vec![data("a")]),
            ("data:a\r\rdata: b\r\n\r\n", vec![data("a"), data("b")]),
            ("\u{FEFF}data: a\n\n", vec![data("a")]),
            ("data: a\n\n\u{FEFF}data: b\n\n", vec![data("a")]),
            ("data: a\ndata:  b\ndata\n\n", vec![data("a\n b\n")]),
            (": hello\n\n:\n\ndata: a\n: in between\ndata: b\n\n", vec![data("a\nb")]),
            ("data\n\n", vec![]),
            ("data: a\n", vec![]),
            ("other: a\n\nDATA: a\n\n data: a\n\n", vec![]),
            ("retry: soon\n\nretry: 99999999999999999999999\n\n", vec![]),
            ("retry: 1500\n\n", vec![Event { retry: Some(1500), ..Event::default() }]),
            ("id: 7\ndata:\n\n", vec![Event { id: Some("7".to_owned()), ..Event::default() }]),
            ("id: a\0b\ndata: x\n\n", vec![data("x")]),
            (
                "event: message\nid\ndata: {}\n\n",
                vec![Event { event: Some("message".to_owned()), id: Some(String::new()), ..data("{}") }],
            ),
        ] {
            assert_eq!(read(stream.as_bytes(), &[], MAX_EVENT), (events, None), "{stream:?}");
        }
    }

    #[test]
    fn an_event_over_the_limit_ends_the_stream() {
        let stream = b"data: 12345\n\ndata: 1\ndata: 2\ndata: 3\ndata: 4\ndata: 5\ndata: 6\n\ndata: x\n\n";
        assert_eq!(read(stream, &[], 12), (vec![data("12345")], Some(EventTooLong(12))));
        assert_eq!(read(b": a comment of one endless line", &[3], 12), (vec![], Some(EventTooLong(12))));
        let mut parser = Parser::with_limit(3);
        for _ in 0..2 {
            assert_eq!(parser.next(&mut &b"data: a\n\n"[..]), Err(EventTooLong(3)));
        }
    }

    #[test]
    fn a_line_end_in_an_id_cannot_start_a_field() {
        assert_eq!(event(b"{}", Some("1\ndata: x")), b"event: message\ndata: {}\n\n");
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_changes_nothing(
            lines in prop::collection::vec(
                prop_oneof!["(data|id|event|retry|:)?:? ?[a-c0-9]{0,9}", Just(String::new()), "\u{FEFF}?data: .{0,4}"],
                0..12,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 12),
            cuts in prop::collection::vec(1usize..9, 1..9),
            limit in prop_oneof![Just(MAX_EVENT), 1usize..40],
        ) {
            let stream: String = lines.iter().zip(ends).flat_map(|(line, end)| [line, end]).collect();
            prop_assert_eq!(read(stream.as_bytes(), &cuts, limit), read(stream.as_bytes(), &[], limit));
        }

        #[test]
        fn any_bytes_are_read_the_same_however_they_are_cut(stream: Vec<u8>, cuts in prop::collection::vec(1usize..9, 1..9)) {
            prop_assert_eq!(read(&stream, &cuts, 64), read(&stream, &[], 64));
        }

        #[test]
        fn what_is_written_is_read_back(data: Vec<u8>, id in prop::option::of("[^\r\n\0]{0,9}")) {
            let (events, error) = read(&event(&data, id.as_deref()), &[], MAX_EVENT);
            prop_assert_eq!(error, None);
            prop_assert_eq!(events.len(), 1);
            prop_assert_eq!(&*events[0].data, &*unified(&data));
            prop_assert_eq!(&events[0].id, &id);
        }
    }
}
