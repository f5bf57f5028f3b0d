//! What the gateway's own HTTP requests have in common: their name, and answers that are read up to a limit.

use bytes::Bytes;
use reqwest::Response;

use crate::mcp::sse::{self, Event};

/// How the gateway names itself to servers: `mcp-gateway/VERSION`.
pub(crate) const USER_AGENT: &str = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is larger than the limit.
    TooLarge,
    Broken(reqwest::Error),
}

/// The whole body of a response, of at most `limit` bytes.
pub(crate) async fn read_all(mut response: Response, limit: usize) -> Result<Vec<u8>, ReadError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Broken)? {
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(ReadError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Events of a stream that carries the answer to one request, and so has an end.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    parser: sse::Parser,
    chunk: Bytes,
    /// Bytes that may still come.
    left: usize,
}

impl Events {
    /// Of a stream of at most `limit` bytes.
    pub(crate) fn new(response: Response, limit: usize) -> Self {
        Self { response, parser: sse::Parser::with_limit(limit), chunk: Bytes::new(), left: limit }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            let mut rest = &self.chunk[..];
            let event = self.parser.next(&mut rest).map_err(|_too_long| ReadError::TooLarge)?;
            let taken = self.chunk.len() - rest.len();
            _ = self.chunk.split_to(taken);
            if event.is_some() {
                return Ok(event);
            }
            let Some(chunk) = self.response.chunk().await.map_err(ReadError::Broken)? else {
                return Ok(None);
            };
            self.left = self.left.checked_sub(chunk.len()).ok_or(ReadError::TooLarge)?;
            self.chunk = chunk;
        }
    }
}

/// What went wrong at the bottom of a failed request. Take the URL, which may hold a key, out of `error` first.
pub(crate) fn root_cause(error: &reqwest::Error) -> Option<String> {
    let causes = std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
    causes.last().map(ToString::to_string)
}
