//! What is called: the tools, the bodies of the calls, the answers.

use std::fmt::Write as _;

/// The id that `wrk.lua` puts others in the place of; all ids have as many digits.
pub(crate) const ID: &str = "1000000000";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A tool of the server; what it answers is a file of nginx's, or comes from `server.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Json1K,
    Json1M,
    Sse1K,
    Sse1M,
    /// Answers the body of the call.
    Echo,
    /// Sends an event when the one before has arrived.
    Slow,
}

impl Tool {
    pub(crate) const ALL: [Self; 6] =
        [Self::Json1K, Self::Json1M, Self::Sse1K, Self::Sse1M, Self::Echo, Self::Slow];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json1K => "json_1k",
            Self::Json1M => "json_1m",
            Self::Sse1K => "sse_1k",
            Self::Sse1M => "sse_1m",
            Self::Echo => "echo",
            Self::Slow => "slow",
        }
    }

    /// The answer that stands in a file.
    pub(crate) fn file(self) -> Option<String> {
        match self {
            Self::Json1K => Some(result(KIB)),
            Self::Json1M => Some(result(MIB)),
            Self::Sse1K => Some(event(&result(KIB - 25))),
            Self::Sse1M => Some(events(MIB)),
            Self::Echo | Self::Slow => None,
        }
    }
}

/// A `tools/call` of exactly `length` bytes: one long string argument.
pub(crate) fn body(tool: &str, length: usize) -> Vec<u8> {
    let head = format!(r#"{{"jsonrpc":"2.0","id":{ID},"method":"tools/call","params":{{"name":"{tool}""#);
    let (open, close) = (r#","arguments":{"a":""#, r#""}}}"#);
    let text = length.checked_sub(head.len() + open.len() + close.len());
    let text = text.unwrap_or_else(|| panic!("no call of {tool} has {length} bytes"));
    format!("{head}{open}{}{close}", "x".repeat(text)).into_bytes()
}

/// A result of exactly `length` bytes.
fn result(length: usize) -> String {
    let (open, close) =
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":""#, r#""}]}}"#);
    format!("{open}{}{close}", "y".repeat(length - open.len() - close.len()))
}

fn event(message: &str) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// A stream of about `length` bytes: notifications of progress, then the result.
fn events(length: usize) -> String {
    let mut stream = String::with_capacity(length + KIB);
    let mut count = 0;
    while stream.len() < length - 2 * KIB {
        count += 1;
        _ = write!(stream, "{}", progress(count));
    }
    stream + &event(&result(KIB))
}

/// One event of about 1 KiB.
pub(crate) fn progress(count: usize) -> String {
    let message = "z".repeat(KIB - 130);
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"t","progress":{count},"message":"{message}"}}}}"#
    ))
}
