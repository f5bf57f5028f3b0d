//! Reads what a server answers to the gateway's own requests: JSON or an event stream, bounded.

use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::hairpin::OpenError;
use crate::{
    mcp::{Id, Revision, ServerCapabilities, header},
    outbound::{Events, ReadError, read_all},
};

/// Largest answer to `initialize`, in bytes.
pub const MAX_INITIALIZE_BYTES: usize = 1 << 20;

/// Largest answer to another request of the gateway's own, in bytes.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Letters of a server's text that are repeated.
const MAX_TEXT: usize = 200;

/// The revision that the server has settled on, and what it announces. `id`: the token of the request's.
pub(super) async fn negotiated(
    response: Response,
    id: &str,
) -> Result<(Revision, ServerCapabilities), OpenError> {
    let status = response.status();
    let expected = Expected { id, method: "initialize", limit: MAX_INITIALIZE_BYTES };
    let answer = expected.of(response).await?;
    let reply = parse(&answer).ok_or_else(|| expected.unreadable(status))?;
    if let Some(error) = reply.error {
        return Err(refused(status, &error.text()));
    }
    let result = reply.result.map_or("{}", RawValue::get);
    let initialized: InitializeResult =
        serde_json::from_str(result).map_err(|_unreadable| expected.unreadable(status))?;
    let revision = Revision::parse(&initialized.protocol_version).ok_or_else(|| {
        let asked = initialized.protocol_version;
        refused(status, &format!("the server speaks revision {asked} of MCP, the gateway does not"))
    })?;
    Ok((revision, ServerCapabilities::of(result.as_bytes())))
}

/// The whole JSON-RPC response to request `id`.
pub(super) async fn response(response: Response, id: &str, method: &str) -> Result<Vec<u8>, OpenError> {
    Expected { id, method, limit: MAX_ANSWER_BYTES }.of(response).await
}

/// The request that an answer is expected to.
struct Expected<'a> {
    id: &'a str,
    method: &'a str,
    /// Of the whole answer, in bytes.
    limit: usize,
}

impl Expected<'_> {
    /// The JSON-RPC response in an HTTP response that is a success.
    async fn of(&self, response: Response) -> Result<Vec<u8>, OpenError> {
        let status = response.status();
        let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let (is_json, is_stream) = ["application/json", "text/event-stream"]
            .map(|media| header::media_type_is(content_type, media))
            .into();
        if !status.is_success() {
            return Err(refusal(response, is_json).await);
        }
        let answer = if is_stream {
            self.first_reply(response).await?
        } else if is_json {
            let body = read_all(response, self.limit).await.map_err(|error| self.unread(status, error))?;
            parse(&body).is_some().then_some(body)
        } else {
            None
        };
        answer.ok_or_else(|| self.unreadable(status))
    }

    /// The first event that answers the request; a server may send others before.
    async fn first_reply(&self, response: Response) -> Result<Option<Vec<u8>>, OpenError> {
        let status = response.status();
        let mut events = Events::new(response, self.limit);
        while let Some(event) = events.next().await.map_err(|error| self.unread(status, error))? {
            if parse(&event.data).is_some_and(|reply| reply.is_to(self.id)) {
                return Ok(Some(event.data));
            }
        }
        Ok(None)
    }

    fn unread(&self, status: StatusCode, error: ReadError) -> OpenError {
        match error {
            ReadError::TooLarge => {
                let text = format!("the server's answer to `{}` is over {} bytes", self.method, self.limit);
                refused(status, &text)
            }
            ReadError::Broken(error) => OpenError::unreachable(error),
        }
    }

    fn unreadable(&self, status: StatusCode) -> OpenError {
        refused(status, &format!("the server's answer to `{}` is no JSON-RPC response", self.method))
    }
}

/// A JSON-RPC response, as much as matters of it.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ReplyError>,
}

impl Reply<'_> {
    /// Whether it answers the request of that id, however it spells it.
    fn is_to(&self, id: &str) -> bool {
        let found = self.id.and_then(|found| Id::parse(found.get()));
        found.zip(Id::parse(id)).is_some_and(|(found, id)| found.canonical() == id.canonical())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult {
    protocol_version: String,
}

/// Its message stays unread: servers repeat in it what they do not take, a credential for one.
#[derive(Deserialize)]
struct ReplyError {
    #[serde(default)]
    code: i64,
}

impl ReplyError {
    fn text(&self) -> String {
        format!("JSON-RPC error {}", self.code)
    }
}

fn parse(body: &[u8]) -> Option<Reply<'_>> {
    serde_json::from_slice(body)
        .ok()
        .filter(|reply: &Reply<'_>| reply.result.is_some() || reply.error.is_some())
}

/// What an answer that is no success means.
pub(super) async fn refusal(response: Response, is_json: bool) -> OpenError {
    let status = response.status();
    let text = match status {
        // a server may repeat a credential that it does not take
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "the server does not accept the credential".to_owned()
        }
        status if status.is_redirection() => {
            "the server answered with a redirect, which is not followed".to_owned()
        }
        _ if is_json => {
            let body = read_all(response, MAX_INITIALIZE_BYTES).await.unwrap_or_default();
            let error = parse(&body).and_then(|reply| reply.error);
            error.map_or_else(String::new, |error| error.text())
        }
        _ => String::new(),
    };
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            OpenError::Unreachable(format!("HTTP {} instead of an answer", status.as_u16()))
        }
        status => refused(status, &text),
    }
}

/// Repeats no more of `text` than fits a line.
fn refused(status: StatusCode, text: &str) -> OpenError {
    let one_line = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    OpenError::Refused { status: status.as_u16(), text: one_line.take(MAX_TEXT).collect() }
}
