//! Reads what a server answers to `initialize`: JSON or an event stream, bounded.

use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;

use super::hairpin::OpenError;
use crate::{
    mcp::{Revision, header},
    outbound::{Events, ReadError, read_all},
};

/// Largest answer to `initialize`, in bytes.
pub const MAX_INITIALIZE_BYTES: usize = 1 << 20;

/// Letters of a server's text that are repeated.
const MAX_TEXT: usize = 200;

/// The revision that the server has settled on.
pub(super) async fn negotiated(response: Response, id: u64) -> Result<Revision, OpenError> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let (is_json, is_stream) = ["application/json", "text/event-stream"]
        .map(|media| header::media_type_is(content_type, media))
        .into();
    if !status.is_success() {
        return Err(refusal(response, is_json).await);
    }
    let reply = if is_stream {
        first_reply(response, id).await?
    } else if is_json {
        parse(&body(response).await?)
    } else {
        None
    };
    let unreadable = || refused(status, "the server's answer to `initialize` is no JSON-RPC response");
    let reply = reply.ok_or_else(unreadable)?;
    if let Some(error) = reply.error {
        return Err(refused(status, &error.text()));
    }
    let result = reply.result.ok_or_else(unreadable)?;
    Revision::parse(&result.protocol_version).ok_or_else(|| {
        refused(
            status,
            &format!("the server speaks revision {} of MCP, the gateway does not", result.protocol_version),
        )
    })
}

/// A JSON-RPC response to `initialize`, as much as matters of it.
#[derive(Deserialize)]
struct Reply {
    id: Option<serde_json::Value>,
    result: Option<InitializeResult>,
    error: Option<ReplyError>,
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

fn parse(body: &[u8]) -> Option<Reply> {
    serde_json::from_slice(body).ok().filter(|reply: &Reply| reply.result.is_some() || reply.error.is_some())
}

/// The first event that answers request `id`; a server may send others before.
async fn first_reply(response: Response, id: u64) -> Result<Option<Reply>, OpenError> {
    let status = response.status();
    let mut events = Events::new(response, MAX_INITIALIZE_BYTES);
    while let Some(event) = events.next().await.map_err(|error| unread(status, error))? {
        let reply = parse(&event.data);
        if let Some(reply) = reply.filter(|reply| reply.id.as_ref().is_some_and(|found| *found == id)) {
            return Ok(Some(reply));
        }
    }
    Ok(None)
}

async fn body(response: Response) -> Result<Vec<u8>, OpenError> {
    let status = response.status();
    read_all(response, MAX_INITIALIZE_BYTES).await.map_err(|error| unread(status, error))
}

fn unread(status: StatusCode, error: ReadError) -> OpenError {
    match error {
        ReadError::TooLarge => refused(
            status,
            &format!("the server's answer to `initialize` is over {MAX_INITIALIZE_BYTES} bytes"),
        ),
        ReadError::Broken(error) => OpenError::unreachable(error),
    }
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
            let error = body(response).await.ok().and_then(|body| parse(&body)).and_then(|reply| reply.error);
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
