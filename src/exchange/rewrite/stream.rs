//! A body on its way from a server to a client, in pieces of any size: how it is cut changes nothing of what goes on.

use super::{Form, Origin, Outcome, Rewritten, Tokens, event::Rewrite, message::Meaning};
use crate::mcp::sse::line_len;

/// Bytes of one event, all of its lines, that are held back until it has come whole; a longer one goes on as it comes.
pub const MAX_HELD_EVENT: usize = 4 << 20;

/// Bytes of one JSON body that are held back until it has come whole; a longer one goes on as it comes.
pub const MAX_HELD_JSON: usize = 4 << 20;

/// Requests of the server on one stream that are remembered; beyond, the oldest is forgotten.
pub const MAX_OPEN_REQUESTS: usize = 64;

/// What may stand before the first line of a stream.
const BYTE_ORDER_MARK: &[u8; MARK_LEN] = b"\xEF\xBB\xBF";
const MARK_LEN: usize = 3;

/// A body on its way from a server to a client, in pieces of any size.
#[derive(Debug)]
pub struct Rewriter {
    origin: Origin,
    form: Form,
    place: Place,
    /// What has come of the event or of the JSON body under way.
    held: Vec<u8>,
    /// Bytes that are held at most.
    pub(super) limit: usize,
    /// The event or the JSON body under way is longer, and goes on as it comes.
    is_long: bool,
    open: Vec<String>,
    saw_response: bool,
}

/// Where in an event stream the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At its start, after so many bytes of a byte order mark.
    Start(usize),
    /// At the start of a line. `after_return`: a line feed belongs to the line before.
    LineStart { in_event: bool, after_return: bool },
    /// Within a line.
    Line { in_event: bool },
}

impl Place {
    /// Whether what came up to here waits for what follows.
    fn is_held(self) -> bool {
        match self {
            Self::Start(len) => 0 < len && len < MARK_LEN,
            Self::LineStart { in_event, .. } | Self::Line { in_event } => in_event,
        }
    }
}

impl Rewriter {
    pub fn new(origin: Origin, form: Form) -> Self {
        let limit = match form {
            Form::Json => MAX_HELD_JSON,
            Form::EventStream => MAX_HELD_EVENT,
        };
        Self {
            origin,
            form,
            place: Place::Start(0),
            held: Vec::new(),
            limit,
            is_long: false,
            open: Vec::new(),
            saw_response: false,
        }
    }

    /// Whose messages these are; to be brought up to date while a stream goes on.
    pub fn origin(&mut self) -> &mut Origin {
        &mut self.origin
    }

    /// Takes the next piece. What is held back is at most one message; with `end` nothing is.
    ///
    /// A message over [`MAX_HELD_EVENT`] or [`MAX_HELD_JSON`] goes on as the server wrote it, but for the id of its
    /// event where that stands within the limit. So an honest result of any length arrives. A request of that length
    /// arrives under the server's own id, which opens nothing: its answer is refused and reaches nobody.
    pub fn piece(&mut self, piece: &[u8], end: bool, tokens: &impl Tokens) -> Rewritten {
        let mut done = Rewritten::default();
        match self.form {
            Form::Json => self.hold(piece, &mut done, tokens),
            Form::EventStream => self.lines(piece, &mut done, tokens),
        }
        if end {
            match self.form {
                Form::Json if self.held.is_empty() => {}
                Form::Json => self.finish_json(&mut done, tokens),
                Form::EventStream => self.finish_event(&mut done, tokens),
            }
        }
        done
    }

    /// Aliases of the server's requests on this stream that have no answer yet: when the stream has come to its end
    /// with the answer to the client's own request, nothing waits for them any more.
    ///
    /// Those that the client has answered are among them: an answer does not come by this way.
    pub fn open_requests(&self) -> &[String] {
        &self.open
    }

    /// Takes those of [`Rewriter::open_requests`] that nobody waits for any more, since the client's own request is
    /// answered.
    pub fn take_over(&mut self) -> Vec<String> {
        if self.saw_response { std::mem::take(&mut self.open) } else { Vec::new() }
    }

    /// Whether the answer to a request of the client has gone on.
    pub fn saw_response(&self) -> bool {
        self.saw_response
    }

    /// Takes a piece of an event stream: what is outside of events goes on at once, an event when it has come whole.
    fn lines(&mut self, mut piece: &[u8], done: &mut Rewritten, tokens: &impl Tokens) {
        while let Some(&first) = piece.first() {
            let (len, next) = self.step(piece, first);
            let (bytes, rest) = piece.split_at_checked(len).unwrap_or((piece, b""));
            piece = rest;
            self.place = next;
            if self.held.is_empty() && !next.is_held() {
                done.body.extend_from_slice(bytes);
            } else {
                self.hold(bytes, done, tokens);
            }
            if !next.is_held() {
                self.finish_event(done, tokens);
                self.is_long = false;
            }
        }
    }

    /// How many bytes of `piece`, which begins with `first`, belong together, and where that leads.
    fn step(&self, piece: &[u8], first: u8) -> (usize, Place) {
        let (in_event, at_start) = match self.place {
            Place::Start(len) if BYTE_ORDER_MARK.get(len) == Some(&first) => {
                return (1, Place::Start(len + 1));
            }
            Place::LineStart { in_event, after_return: true } if first == b'\n' => {
                return (1, Place::LineStart { in_event, after_return: false });
            }
            // what began as a mark was the start of a line
            Place::Start(1..MARK_LEN) => (true, false),
            Place::Start(_) => (false, true),
            Place::LineStart { in_event, .. } => (in_event, true),
            Place::Line { in_event } => (in_event, false),
        };
        let len = line_len(piece);
        let is_blank = at_start && len == 0;
        // a comment outside of an event is no part of one
        let in_event = !is_blank && (in_event || at_start && first != b':');
        match piece.get(len) {
            Some(&end) => (len + 1, Place::LineStart { in_event, after_return: end == b'\r' }),
            None => (len, Place::Line { in_event }),
        }
    }

    /// Holds bytes of the message under way; once it is over the limit, nothing of it any more.
    fn hold(&mut self, bytes: &[u8], done: &mut Rewritten, tokens: &impl Tokens) {
        if self.is_long {
            return done.body.extend_from_slice(bytes);
        }
        // filled to the byte, so that where pieces are cut decides nothing
        let (fits, over) =
            bytes.split_at_checked(self.limit.saturating_sub(self.held.len())).unwrap_or((bytes, b""));
        self.held.extend_from_slice(fits);
        if over.is_empty() {
            return;
        }
        self.is_long = true;
        let held = std::mem::take(&mut self.held);
        match self.form {
            Form::Json => done.body = held,
            Form::EventStream => done.body.extend_from_slice(&self.origin.beginning(&held, tokens)),
        }
        done.body.extend_from_slice(over);
    }

    fn finish_event(&mut self, done: &mut Rewritten, tokens: &impl Tokens) {
        if self.held.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let Rewrite { event, meaning, refused } = self.origin.event(&held, tokens);
        done.body.extend_from_slice(&event);
        done.refused.extend(refused);
        self.note(meaning);
    }

    fn finish_json(&mut self, done: &mut Rewritten, tokens: &impl Tokens) {
        let held = std::mem::take(&mut self.held);
        let (outcome, meaning) = self.origin.read(&held, tokens);
        match outcome {
            Outcome::Same => done.body = held,
            Outcome::Changed(message) => done.body = message,
            Outcome::Refused(answer) => done.refused.push(answer),
        }
        self.note(meaning);
    }

    fn note(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Asked(alias) => {
                self.open.retain(|open| *open != alias);
                if self.open.len() == MAX_OPEN_REQUESTS {
                    self.open.remove(0);
                }
                self.open.push(alias);
            }
            Meaning::GivenUp(alias) => self.open.retain(|open| *open != alias),
            Meaning::Answered => self.saw_response = true,
            Meaning::Other => {}
        }
    }
}
