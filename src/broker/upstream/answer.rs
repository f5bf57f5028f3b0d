//! What a server sends: the answer to a request, as JSON or in an event stream, and messages of its own.

use reqwest::{Response, header::CONTENT_TYPE};
use serde::Deserialize;

use super::UpstreamError;
use crate::{
    broker::{item::printable, limits::MAX_ERROR_BYTES},
    mcp::{self, Kind, Method, Span, header},
    outbound::read_all,
};

/// The `result` of an answer, and the message it stands in.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) result: Span,
}

/// One message of a server, sorted by what there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The answer that is waited for, or its error code.
    Answer(Result<Span, i64>),
    /// A request of the server, by its id: `ping`, or one that the gateway did not offer to serve.
    Ping(Vec<u8>),
    Unserved(Vec<u8>),
    /// `list_changed` of tools, prompts or resources.
    ListChanged,
    /// Nothing to do.
    Other,
}

/// What says that a list is another now.
const LISTS_CHANGED: [Method; 3] =
    [Method::ToolsListChanged, Method::PromptsListChanged, Method::ResourcesListChanged];

/// Reads one message; `id` is that of the request under way.
pub(super) fn hear(message: &[u8], id: Option<u64>) -> Result<Heard, mcp::Fault> {
    let read = mcp::scan(message).map_err(|error| error.fault)?;
    let method = read.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value));
    let sent = read.id.as_ref().map(|id| id.as_bytes().to_vec());
    let is_ours = id.is_some_and(|id| sent.as_deref() == Some(id.to_string().as_bytes()));
    Ok(match (read.kind, sent, read.outcome) {
        (Kind::Result, _, Some(outcome)) if is_ours => Heard::Answer(Ok(outcome)),
        (Kind::Error, _, Some(outcome)) if is_ours => Heard::Answer(Err(error_code(outcome.of(message)))),
        (Kind::Request, Some(id), _) if method == Method::Ping => Heard::Ping(id),
        (Kind::Request, Some(id), _) => Heard::Unserved(id),
        (Kind::Notification, ..) if LISTS_CHANGED.contains(&method) => Heard::ListChanged,
        (Kind::Request | Kind::Notification | Kind::Result | Kind::Error, ..) => Heard::Other,
    })
}

/// Whether a response carries an event stream, or else JSON; anything else is no answer.
pub(super) fn is_event_stream(response: &Response, what: &'static str) -> Result<bool, UpstreamError> {
    let content_type = response.headers().get(CONTENT_TYPE).map_or(b"".as_slice(), |value| value.as_bytes());
    let is = |media| header::media_type_is(content_type, media);
    if is("text/event-stream") || is("application/json") {
        return Ok(is("text/event-stream"));
    }
    Err(UpstreamError::ContentType { what, content_type: printable(&String::from_utf8_lossy(content_type)) })
}

/// Refuses a response that says that something went wrong. `in_session`: the request was made in one, which the
/// server may have lost.
pub(super) async fn succeeded(
    response: Response,
    what: &'static str,
    in_session: bool,
) -> Result<Response, UpstreamError> {
    let status = response.status().as_u16();
    match status {
        200..=299 => return Ok(response),
        300..=399 => return Err(UpstreamError::Redirected { what, status }),
        401 | 403 => return Err(UpstreamError::Unauthorized { what, status }),
        404 if in_session => return Err(UpstreamError::SessionLost),
        _ => {}
    }
    let error = read_all(response, MAX_ERROR_BYTES).await.ok().and_then(|body| error_of(&body));
    if status == 400 && in_session && error.as_ref().is_some_and(Error::means_lost_session) {
        return Err(UpstreamError::SessionLost);
    }
    Err(UpstreamError::Status { what, status, code: error.map(|error| error.code) })
}

/// A JSON-RPC error; servers write all kinds of ids beside it.
#[derive(Deserialize)]
struct Error {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Error {
    /// How servers on the TypeScript SDK say that they do not know the session (HTTP status 400).
    fn means_lost_session(&self) -> bool {
        self.code == -32000 && self.message.to_ascii_lowercase().contains("session")
    }
}

fn error_of(body: &[u8]) -> Option<Error> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Error,
    }
    serde_json::from_slice::<Refusal>(body).ok().map(|refusal| refusal.error)
}

fn error_code(error: &[u8]) -> i64 {
    serde_json::from_slice::<Error>(error).map_or(0, |error| error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(message: &str) -> Heard {
        hear(message.as_bytes(), Some(7)).unwrap()
    }

    #[test]
    fn the_answer_is_the_one_with_the_id_of_the_request() {
        assert!(matches!(heard(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), Heard::Answer(Ok(_))));
        assert_eq!(heard(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#), Heard::Other);
        assert_eq!(heard(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#), Heard::Other);
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#;
        assert_eq!(heard(error), Heard::Answer(Err(-32601)));
        assert_eq!(hear(error.as_bytes(), None), Ok(Heard::Other));
    }

    #[test]
    fn requests_and_notifications_of_a_server_are_told_apart() {
        assert_eq!(heard(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#), Heard::Ping(b"\"a\"".to_vec()));
        assert_eq!(
            heard(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#),
            Heard::Unserved(b"7".to_vec())
        );
        for list in ["tools", "prompts", "resources"] {
            let changed = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#);
            assert_eq!(heard(&changed), Heard::ListChanged);
        }
        assert_eq!(heard(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#), Heard::Other);
        assert!(hear(b"[]", Some(7)).is_err());
    }

    #[test]
    fn a_lost_session_is_known_by_how_servers_say_it() {
        let says = |body: &str| error_of(body.as_bytes()).is_some_and(|error| error.means_lost_session());
        assert!(says(
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#
        ));
        assert!(!says(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}"#
        ));
        assert!(!says(
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#
        ));
        assert!(!says("not JSON"));
    }
}
