//! Answers the gateway makes itself, and the one place that knows how each refusal looks to a client.

use std::borrow::Cow;

use super::revision::Revision;
use super::scan::{Fault, Id, ScanError};
use super::splice;

/// Characters of a name a client chose that are repeated back to it.
const MAX_NAME: usize = 128;

/// Bytes of a URI a client chose that is repeated back to it whole; a longer one is left out.
const MAX_URI: usize = 2048;

/// An HTTP answer. `content-length` is left to whoever sends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with nothing in it, such as 202 to a notification.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", Cow::Borrowed("application/json"))], body }
    }

    /// The JSON-RPC answer to request `id`: `result` is JSON.
    pub fn result(id: Id<'_>, result: &[u8]) -> Self {
        let parts: [&[u8]; 5] = [br#"{"jsonrpc":"2.0","id":"#, id.as_bytes(), br#","result":"#, result, b"}"];
        Self::json(200, parts.concat())
    }
}

/// Everything the gateway refuses. [`Rejection::message`] is for the developer of the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
    #[error("{fault} (at byte {at})")]
    Malformed { fault: Fault, at: usize },
    #[error("content-type must be application/json in UTF-8")]
    ContentType,
    #[error("content-encoding is not supported: send the body as it is")]
    ContentEncoding,
    #[error("accept must include {needed}")]
    NotAcceptable { needed: &'static str },
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("the header is too large: send at most {fields} fields and {bytes} bytes")]
    HeadersTooLarge { fields: usize, bytes: usize },
    #[error("trailer fields are not supported: send the request without them")]
    Trailers,
    #[error("header {name} is repeated")]
    RepeatedHeader { name: &'static str },
    #[error("the body did not come within {limit} s")]
    BodyTooSlow { limit: u64 },
    #[error("this origin is not allowed")]
    OriginNotAllowed,
    #[error("this host is reached through the gateway's own endpoint only")]
    NotThisHost,
    #[error("this request is not one of the gateway's own")]
    HairpinRefused,
    #[error("this is the gateway's broker: connect to the gateway's public host, which Envoy listens for")]
    NotRouted,
    #[error("there is no MCP endpoint at this path")]
    BadPath,
    #[error("this HTTP method is not allowed here: use one of {allow}")]
    VerbNotAllowed { allow: &'static str },
    #[error("header mcp-session-id is missing: send the one initialize was answered with")]
    MissingSession,
    #[error("session not found: initialize again")]
    UnknownSession,
    #[error("session expired: initialize again")]
    ExpiredSession,
    #[error(
        "Bad Request: Unsupported protocol version: {} (supported versions: {})",
        short(asked),
        supported()
    )]
    UnsupportedRevision { asked: String },
    #[error("unknown tool: {}", short(name))]
    UnknownTool { name: String },
    #[error("params.{name} is missing")]
    MissingParameter { name: &'static str },
    #[error("params.cursor is not one of this list: begin without a cursor")]
    BadCursor,
    #[error("unknown prompt: {}", short(name))]
    UnknownPrompt { name: String },
    #[error("unknown resource: {}", short(uri))]
    UnknownResource { uri: String },
    #[error("this answers no request of this session: it is unknown, has been answered or has been given up")]
    UnknownAnswer,
    #[error("unknown task: params.taskId names no task of this session")]
    UnknownTask,
    #[error(
        "tasks are not possible here: the gateway's Envoy sends request bodies in full duplex mode, in which an answer's task id cannot be changed"
    )]
    TasksNeedBufferedMode,
    #[error(
        "unknown log level: {}: use one of debug, info, notice, warning, error, critical, alert, emergency",
        short(level)
    )]
    BadLevel { level: String },
    #[error("{} is not supported here: it was not announced in initialize", short(method))]
    NotSupported { method: String },
    #[error("method not found: {}", short(method))]
    MethodNotFound { method: String },
    #[error("unknown virtual server: {}", short(name))]
    UnknownVirtualServer { name: String },
    #[error("server {server} needs a session: send initialize first, then mcp-session-id with each request")]
    SessionNeeded { server: String },
    #[error("server {server} did not open a session (HTTP status {status}): try again later")]
    ServerRefusedSession { server: String, status: u16 },
    #[error(
        "server {server} answered with a redirect (HTTP status {status}), which is not followed: its url must name the final address"
    )]
    ServerRedirected { server: String, status: u16 },
    #[error("server {server} cannot go on with this event stream: make the request again")]
    StreamNotResumable { server: String },
    #[error("server {server} cannot be reached: try again later")]
    ServerUnavailable { server: String },
    #[error("the session store cannot be reached: try again later")]
    StoreUnavailable,
    #[error("{limit} event streams are open, and no more are served: try again later")]
    TooManyStreams { limit: usize },
    #[error("the gateway has no configuration yet: try again later")]
    NotReady,
    #[error("internal error")]
    Internal,
}

impl From<ScanError<'_>> for Rejection {
    fn from(error: ScanError<'_>) -> Self {
        Self::Malformed { fault: error.fault, at: error.at }
    }
}

impl Rejection {
    /// The HTTP status. What is wrong with a call, not with the exchange, is 200: to clients of revisions up to
    /// 2025-11-25 a 404 says that their session is lost.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownTool { .. }
            | Self::MissingParameter { .. }
            | Self::BadCursor
            | Self::UnknownPrompt { .. }
            | Self::UnknownResource { .. }
            | Self::UnknownTask
            | Self::TasksNeedBufferedMode
            | Self::BadLevel { .. }
            | Self::NotSupported { .. }
            | Self::MethodNotFound { .. } => 200,
            Self::StreamNotResumable { .. }
            | Self::Malformed { .. }
            | Self::Trailers
            | Self::RepeatedHeader { .. }
            | Self::MissingSession
            | Self::UnsupportedRevision { .. }
            | Self::UnknownAnswer
            | Self::SessionNeeded { .. } => 400,
            Self::OriginNotAllowed | Self::NotThisHost | Self::HairpinRefused | Self::NotRouted => 403,
            Self::BadPath
            | Self::UnknownSession
            | Self::ExpiredSession
            | Self::UnknownVirtualServer { .. } => 404,
            Self::VerbNotAllowed { .. } => 405,
            Self::NotAcceptable { .. } => 406,
            Self::BodyTooSlow { .. } => 408,
            Self::BodyTooLarge { .. } => 413,
            Self::ContentType | Self::ContentEncoding => 415,
            Self::HeadersTooLarge { .. } => 431,
            Self::Internal => 500,
            Self::ServerRefusedSession { .. } | Self::ServerRedirected { .. } => 502,
            Self::ServerUnavailable { .. }
            | Self::StoreUnavailable
            | Self::TooManyStreams { .. }
            | Self::NotReady => 503,
        }
    }

    /// The JSON-RPC error code. Never one of -32020 to -32099, by which clients know a server of 2026-07-28.
    pub fn code(&self) -> i64 {
        match self {
            Self::Malformed { fault, .. } => fault.code(),
            Self::UnknownTool { .. }
            | Self::MissingParameter { .. }
            | Self::BadCursor
            | Self::UnknownPrompt { .. }
            | Self::UnknownTask
            | Self::BadLevel { .. } => -32602,
            Self::UnknownResource { .. } => -32002, // 2025-11-25, server, resources, error handling
            Self::MethodNotFound { .. } | Self::TasksNeedBufferedMode | Self::NotSupported { .. } => -32601,
            Self::ServerRefusedSession { .. }
            | Self::ServerRedirected { .. }
            | Self::ServerUnavailable { .. }
            | Self::StoreUnavailable
            | Self::TooManyStreams { .. }
            | Self::NotReady
            | Self::Internal => -32603,
            Self::StreamNotResumable { .. }
            | Self::ContentType
            | Self::ContentEncoding
            | Self::NotAcceptable { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow { .. }
            | Self::HeadersTooLarge { .. }
            | Self::Trailers
            | Self::RepeatedHeader { .. }
            | Self::OriginNotAllowed
            | Self::NotThisHost
            | Self::HairpinRefused
            | Self::NotRouted
            | Self::BadPath
            | Self::VerbNotAllowed { .. }
            | Self::MissingSession
            | Self::UnknownSession
            | Self::ExpiredSession
            | Self::UnsupportedRevision { .. }
            | Self::UnknownVirtualServer { .. }
            | Self::UnknownAnswer
            | Self::SessionNeeded { .. } => -32600,
        }
    }

    /// A short name for access logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::NotAcceptable { .. } => "not_acceptable",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTooSlow { .. } => "body_too_slow",
            Self::HeadersTooLarge { .. } => "headers_too_large",
            Self::Trailers => "trailers",
            Self::RepeatedHeader { .. } => "repeated_header",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotThisHost => "not_this_host",
            Self::HairpinRefused => "hairpin_refused",
            Self::NotRouted => "not_routed",
            Self::BadPath => "bad_path",
            Self::VerbNotAllowed { .. } => "verb_not_allowed",
            Self::MissingSession => "missing_session",
            Self::UnknownSession => "unknown_session",
            Self::ExpiredSession => "expired_session",
            Self::UnsupportedRevision { .. } => "unsupported_revision",
            Self::UnknownTool { .. } => "unknown_tool",
            Self::MissingParameter { .. } => "missing_parameter",
            Self::BadCursor => "bad_cursor",
            Self::UnknownPrompt { .. } => "unknown_prompt",
            Self::UnknownResource { .. } => "unknown_resource",
            Self::UnknownAnswer => "unknown_answer",
            Self::UnknownTask => "unknown_task",
            Self::TasksNeedBufferedMode => "tasks_need_buffered_mode",
            Self::BadLevel { .. } => "bad_level",
            Self::NotSupported { .. } => "not_supported",
            Self::MethodNotFound { .. } => "method_not_found",
            Self::UnknownVirtualServer { .. } => "unknown_virtual_server",
            Self::SessionNeeded { .. } => "session_needed",
            Self::ServerRefusedSession { .. } => "server_refused_session",
            Self::ServerRedirected { .. } => "server_redirected",
            Self::StreamNotResumable { .. } => "stream_not_resumable",
            Self::ServerUnavailable { .. } => "server_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::TooManyStreams { .. } => "too_many_streams",
            Self::NotReady => "not_ready",
            Self::Internal => "internal",
        }
    }

    /// What happened and what to do.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The answer: a JSON-RPC error to request `id`, `null` where it is not known.
    pub fn response(&self, id: Option<Id<'_>>) -> Response {
        let id = id.as_ref().map_or("null", Id::as_str);
        let mut body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{},"message":"#, self.code())
            .into_bytes();
        body.append(&mut splice::quoted(&self.message()));
        if let Self::UnknownResource { uri } = self
            && uri.len() <= MAX_URI
        {
            body.extend_from_slice(br#","data":{"uri":"#);
            body.append(&mut splice::quoted(uri));
            body.push(b'}');
        }
        body.extend_from_slice(b"}}");
        let mut response = Response::json(self.status(), body);
        if let Self::VerbNotAllowed { allow } = self {
            response.headers.push(("allow", Cow::Borrowed(allow)));
        }
        response
    }
}

/// The start of a text a client chose.
fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_NAME).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn supported() -> String {
    Revision::ALL.iter().map(|revision| revision.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rejections() -> Vec<(Rejection, u16, i64)> {
        let name = || "a\"\r\n\u{1F600}".to_owned();
        vec![
            (Rejection::Malformed { fault: Fault::Syntax, at: 3 }, 400, -32700),
            (Rejection::Malformed { fault: Fault::RepeatedKey, at: 3 }, 400, -32600),
            (Rejection::Malformed { fault: Fault::BadParams, at: 3 }, 400, -32602),
            (Rejection::ContentType, 415, -32600),
            (Rejection::ContentEncoding, 415, -32600),
            (Rejection::NotAcceptable { needed: "text/event-stream" }, 406, -32600),
            (Rejection::BodyTooLarge { limit: 4096 }, 413, -32600),
            (Rejection::HeadersTooLarge { fields: 88, bytes: 40_960 }, 431, -32600),
            (Rejection::Trailers, 400, -32600),
            (Rejection::RepeatedHeader { name: "mcp-name" }, 400, -32600),
            (Rejection::OriginNotAllowed, 403, -32600),
            (Rejection::NotThisHost, 403, -32600),
            (Rejection::BadPath, 404, -32600),
            (Rejection::VerbNotAllowed { allow: "GET, POST" }, 405, -32600),
            (Rejection::MissingSession, 400, -32600),
            (Rejection::UnknownSession, 404, -32600),
            (Rejection::ExpiredSession, 404, -32600),
            (Rejection::UnsupportedRevision { asked: name() }, 400, -32600),
            (Rejection::UnknownTool { name: name() }, 200, -32602),
            (Rejection::UnknownPrompt { name: name() }, 200, -32602),
            (Rejection::UnknownResource { uri: name().repeat(MAX_URI) }, 200, -32002),
            (Rejection::UnknownAnswer, 400, -32600),
            (Rejection::UnknownTask, 200, -32602),
            (Rejection::TasksNeedBufferedMode, 200, -32601),
            (Rejection::BadLevel { level: name() }, 200, -32602),
            (Rejection::NotSupported { method: name() }, 200, -32601),
            (Rejection::MethodNotFound { method: name() }, 200, -32601),
            (Rejection::UnknownVirtualServer { name: name() }, 404, -32600),
            (Rejection::SessionNeeded { server: name() }, 400, -32600),
            (Rejection::ServerRefusedSession { server: name(), status: 500 }, 502, -32603),
            (Rejection::ServerRedirected { server: name(), status: 307 }, 502, -32603),
            (Rejection::StreamNotResumable { server: name() }, 400, -32600),
            (Rejection::ServerUnavailable { server: name() }, 503, -32603),
            (Rejection::StoreUnavailable, 503, -32603),
            (Rejection::NotReady, 503, -32603),
            (Rejection::Internal, 500, -32603),
        ]
    }

    #[test]
    fn every_refusal_is_a_json_rpc_error_to_the_request() {
        for (rejection, status, code) in rejections() {
            for (token, id) in
                [(None, Value::Null), (Id::parse("7"), json!(7)), (Id::parse(r#""a\n""#), json!("a\n"))]
            {
                let response = rejection.response(token);
                assert_eq!(response.status, status, "{rejection:?}");
                assert_eq!(response.headers[0], ("content-type", Cow::Borrowed("application/json")));
                let body: Value = serde_json::from_slice(&response.body).unwrap();
                let error = json!({"code": code, "message": rejection.message()});
                assert_eq!(body, json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
        }
    }

    #[test]
    fn no_refusal_looks_like_one_of_a_server_of_2026_07_28() {
        for (rejection, ..) in rejections() {
            assert!(!(-32099..=-32020).contains(&rejection.code()), "{rejection:?}");
        }
    }

    #[test]
    fn an_unsupported_revision_is_told_the_supported_ones() {
        let message = Rejection::UnsupportedRevision { asked: "1900-01-01".to_owned() }.message();
        assert!(message.starts_with("Bad Request: Unsupported protocol version"), "{message}");
        for revision in Revision::ALL {
            assert!(message.contains(revision.as_str()), "{message}");
        }
    }

    #[test]
    fn a_name_a_client_chose_is_repeated_up_to_a_limit() {
        let message = Rejection::UnknownTool { name: "é".repeat(100_000) }.message();
        assert_eq!(message.chars().filter(|&letter| letter == 'é').count(), MAX_NAME);
    }

    #[test]
    fn an_unknown_resource_is_named_in_the_data_of_the_error() {
        let uri = "test://a\"b".to_owned();
        let body = Rejection::UnknownResource { uri: uri.clone() }.response(Id::parse("1")).body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["data"], json!({"uri": uri}));
    }

    #[test]
    fn a_verb_that_is_not_allowed_is_told_which_are() {
        let response = Rejection::VerbNotAllowed { allow: "GET, POST" }.response(None);
        assert!(response.headers.contains(&("allow", Cow::Borrowed("GET, POST"))));
    }

    #[test]
    fn a_result_carries_the_id_as_it_was_sent() {
        let response = Response::result(Id::parse(r#""\u0061""#).unwrap(), b"{}");
        assert_eq!(response.body, br#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#);
    }
}
