//! Reads one JSON-RPC message strictly, in one walk over its bytes, and says where its parts are.
//!
//! Two readers that disagree about a message are a way to route one call and run another, so whatever a common
//! JSON reader might take differently is refused: repeated keys, keys that differ from a protocol key in letter
//! case only, batches, a byte order mark, trailing bytes. Values the gateway does not read are checked to be JSON
//! and otherwise left alone.

mod cursor;
mod fault;
mod keys;
mod lexer;
mod members;
mod params;
mod places;
mod text;

#[cfg(test)]
mod places_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use self::cursor::Cursor;
use self::keys::Level;
use self::lexer::Stop;
use super::splice::Span;

use simdutf8::compat::from_utf8;

pub use self::fault::{Fault, ScanError};
pub use self::keys::MAX_MEMBERS;
pub use self::lexer::MAX_DEPTH;
pub use self::members::{elements, members};
pub use self::params::{Meta, Params, RELATED_TASK, Reference};
pub use self::places::{Place, Step, places, text};
pub use self::text::{Id, Text};

pub(super) use self::text::first_char;

/// What a message is, by the members it has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// `method` and `id`.
    Request,
    /// `method` without `id`.
    Notification,
    /// `result` and `id`: the answer to a request of the other side.
    Result,
    /// `error`, with the `id` of the request where its sender could read it.
    Error,
}

/// One JSON-RPC 2.0 message (<https://www.jsonrpc.org/specification>), borrowed from its body.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub kind: Kind,
    /// Present for [`Kind::Request`] and [`Kind::Result`], never for [`Kind::Notification`].
    pub id: Option<Id<'a>>,
    /// Present for requests and notifications.
    pub method: Option<Text<'a>>,
    /// Empty for answers.
    pub params: Params<'a>,
    /// The value of `result` or `error`; only its JSON grammar was checked.
    pub outcome: Option<Span>,
}

/// Reads `body` as one message.
///
/// The whole body is checked to be UTF-8 and JSON (RFC 8259). Read are the top level, `params`, `params.ref` and
/// `params._meta`; every other value is passed over.
///
/// ```
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"github_get_me"}}"#;
/// let message = mcp_gateway::mcp::scan::scan(body).unwrap();
/// assert_eq!(message.params.name.unwrap().value, "github_get_me");
/// ```
pub fn scan(body: &[u8]) -> Result<Message<'_>, ScanError<'_>> {
    if let Some(rest) = body.strip_prefix(b"\xEF\xBB\xBF") {
        let id = str::from_utf8(rest).ok().and_then(recover_id);
        return Err(ScanError { fault: Fault::ByteOrderMark, at: 0, id });
    }
    match from_utf8(body) {
        Ok(text) => read(text).map_err(|stop| stop.with_id(recover_id(text))),
        Err(error) => {
            let at = error.valid_up_to();
            let id = body.get(..at).and_then(|valid| str::from_utf8(valid).ok()).and_then(recover_id);
            Err(ScanError { fault: Fault::NotUtf8, at, id })
        }
    }
}

/// The top level of a message, as far as it was read.
#[derive(Default)]
struct Members<'a> {
    version: bool,
    id: Option<Id<'a>>,
    method: Option<Text<'a>>,
    params: Params<'a>,
    result: Option<Span>,
    error: Option<Span>,
}

fn read(text: &str) -> Result<Message<'_>, Stop> {
    let mut cursor = Cursor::new(text);
    cursor.space();
    match cursor.peek() {
        Some(b'{') => {}
        Some(b'[') => return cursor.fail(Fault::Batch),
        Some(_) => {
            cursor.skip()?;
            return Err(Stop { fault: Fault::NotAnObject, at: 0 });
        }
        None => return cursor.fail(Fault::Empty),
    }
    let mut members = Members::default();
    cursor.object(Level::Top, |cursor, key| members.read(cursor, &key))?;
    cursor.space();
    if cursor.peek().is_some() {
        return cursor.fail(Fault::TrailingBytes);
    }
    members.into_message()
}

impl<'a> Members<'a> {
    fn read(&mut self, cursor: &mut Cursor<'a>, key: &str) -> Result<(), Stop> {
        match key {
            "jsonrpc" => {
                let at = cursor.at();
                self.version = cursor.text(Fault::NotJsonRpc2)?.value == "2.0";
                if !self.version {
                    return Err(Stop { fault: Fault::NotJsonRpc2, at });
                }
            }
            "id" => self.id = Some(cursor.id(Fault::BadId)?),
            "method" => self.method = Some(cursor.text(Fault::BadMethod)?),
            "params" => self.params.read(cursor)?,
            "result" => self.result = Some(cursor.skip()?),
            "error" => self.error = Some(cursor.skip()?),
            _ => _ = cursor.skip()?,
        }
        Ok(())
    }

    /// Tells requests from answers. What is a bit of both is refused: readers differ on which one it is.
    fn into_message(self) -> Result<Message<'a>, Stop> {
        let Self { version, id, method, params, result, error } = self;
        let refuse = |fault| Err(Stop { fault, at: 0 });
        if !version {
            return refuse(Fault::NotJsonRpc2);
        }
        let kind = match (&method, result, error) {
            (Some(_), None, None) if id.is_some() => Kind::Request,
            (Some(_), None, None) => Kind::Notification,
            (None, Some(_), None) if params.span.is_none() => Kind::Result,
            (None, None, Some(_)) if params.span.is_none() => Kind::Error,
            _ => return refuse(Fault::NotAMessage),
        };
        if kind == Kind::Result && id.is_none() {
            return refuse(Fault::BadId);
        }
        Ok(Message { kind, id, method, params, outcome: result.or(error) })
    }
}

/// The message's `id` for an error reply, where there is exactly one well-formed one to be read.
#[cold]
fn recover_id(text: &str) -> Option<Id<'_>> {
    let mut cursor = Cursor::new(text);
    let (mut id, mut first) = (None, true);
    cursor.space();
    cursor.open().ok()?;
    while let Ok(Some(key)) = cursor.next_key(first) {
        first = false;
        if key.value == "id" {
            if id.is_some() {
                return None;
            }
            id = Some(cursor.id(Fault::BadId).ok()?);
        } else if cursor.skip().is_err() {
            break;
        }
    }
    id
}
