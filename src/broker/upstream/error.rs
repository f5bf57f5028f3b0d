//! Why a server could not be discovered, in words that carry nothing of what it said: an answer may repeat a
//! credential or a session id.

use std::time::Duration;

use crate::{
    broker::item::printable,
    outbound::{ReadError, root_cause},
};

/// A failed exchange with a server. The text goes to the log and to `/status`.
#[derive(Debug, thiserror::Error)]
pub(in crate::broker) enum UpstreamError {
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{what} took longer than {} s", .after.as_secs_f32())]
    Deadline { what: &'static str, after: Duration },
    #[error("{what} was answered with HTTP status {status}: check the server's credential")]
    Unauthorized { what: &'static str, status: u16 },
    #[error("{what} was answered with HTTP status {status}, a redirect: put the final address into `url`")]
    Redirected { what: &'static str, status: u16 },
    #[error("{what} was answered with HTTP status {status}{}", in_words(*.code))]
    Status { what: &'static str, status: u16, code: Option<i64> },
    #[error("{what} was answered with content-type {content_type:?}: is this the URL of an MCP endpoint?")]
    ContentType { what: &'static str, content_type: String },
    #[error("{what} was answered with an error{}", in_words(Some(*.code)))]
    Refused { what: &'static str, code: i64 },
    #[error("the answer to {what} is not MCP: {reason}")]
    NotMcp { what: &'static str, reason: String },
    #[error("the event stream ended before {what} was answered")]
    Unanswered { what: &'static str },
    #[error("the answer to {what} is larger than {limit} bytes")]
    TooLarge { what: &'static str, limit: usize },
    #[error("the server speaks revision {0:?}, which the gateway does not")]
    Revision(String),
    #[error("the list has more than {0} pages")]
    TooManyPages(usize),
    #[error("the list has more than {most} {what}")]
    TooManyItems { most: usize, what: &'static str },
    #[error("a cursor of the list comes twice: its pages never end")]
    CursorLoop,
    #[error("the server has lost its session")]
    SessionLost,
}

impl UpstreamError {
    /// Whether another list of the server may well be read.
    pub(super) fn is_of_one_list(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::NotMcp { .. }
            | Self::Unanswered { .. }
            | Self::TooLarge { .. }
            | Self::TooManyPages(_)
            | Self::TooManyItems { .. }
            | Self::CursorLoop
            | Self::Deadline { .. }
            | Self::Status { code: Some(_), .. } => true,
            Self::Client(_)
            | Self::Unreachable(_)
            | Self::Unauthorized { .. }
            | Self::Redirected { .. }
            | Self::Status { code: None, .. }
            | Self::ContentType { .. }
            | Self::Revision(_)
            | Self::SessionLost => false,
        }
    }

    /// What went wrong below HTTP; of the URL, which may hold a key, host and port alone are told.
    pub(super) fn transport(error: reqwest::Error) -> Self {
        let place = error.url().and_then(|url| {
            let port = url.port_or_known_default()?;
            Some(format!("{}:{port}", url.host_str()?))
        });
        let place = place.unwrap_or_else(|| "the server".to_owned());
        let error = error.without_url();
        let what = if error.is_connect() {
            format!("cannot connect to {place}")
        } else {
            format!("the connection to {place} failed")
        };
        Self::Unreachable(match root_cause(&error) {
            Some(cause) => format!("{what}: {}", printable(&cause)),
            None => what,
        })
    }

    /// A body, or all events of a stream, of at most `limit` bytes could not be read.
    pub(super) fn unread(what: &'static str, limit: usize, error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => Self::TooLarge { what, limit },
            ReadError::Broken(error) => Self::transport(error),
        }
    }
}

fn in_words(code: Option<i64>) -> String {
    let meaning = match code {
        None => return String::new(),
        Some(-32700) => " (parse error)",
        Some(-32600) => " (invalid request)",
        Some(-32601) => " (method not found)",
        Some(-32602) => " (invalid params)",
        Some(-32603) => " (internal error)",
        Some(_) => "",
    };
    format!(", JSON-RPC code {}{meaning}", code.unwrap_or_default())
}
