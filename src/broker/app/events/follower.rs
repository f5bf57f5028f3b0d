//! Follows the event stream of one server session for as long as the server offers it.

use std::time::Duration;

use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use tokio::{sync::mpsc, time::Instant};

use super::{bookmark::Mark, listener::Listener};
use crate::{
    broker::limits::{MAX_EVENT_BYTES, Pace},
    exchange::{Origin, Outcome},
    mcp::{self, Kind, Method, header, sse},
    outbound,
    sessions::{OpenError, ServerSession},
};

/// Shortest wait that a server can ask for with `retry:`, and the first ones while it takes another stream for open.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

/// What a follower tells the client's stream. The order is the server's.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) server: Box<str>,
    /// Where the client stands with it at that server; `None`: nowhere it could return to.
    pub(super) mark: Option<Box<str>>,
    /// One JSON-RPC message; `None`: the server only hands out an id.
    pub(super) message: Option<Vec<u8>>,
}

/// One server session, followed for one client's stream.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) listener: Listener,
    pub(super) server: Box<str>,
    pub(super) session: ServerSession,
    pub(super) last_event_id: Option<Box<str>>,
    pub(super) pace: Pace,
    /// Full while the client reads slowly: then the server is not read either.
    pub(super) feed: mpsc::Sender<Followed>,
}

/// Why a connection to the server has come to its end.
enum End {
    /// There is nothing to follow: no stream is offered, the session is lost, or nobody listens.
    ForGood,
    /// The server does not take the id that it was asked to go on from.
    UnknownEvent,
    /// The server takes another stream for open still: the one that the client has just left.
    Occupied,
    /// It is over or broken; the server may have said how long to wait.
    Broken(Option<OpenError>),
}

/// How connections have gone so far.
#[derive(Default)]
struct Past {
    retry: Option<Duration>,
    /// In a row on which nothing was heard.
    failures: u32,
}

impl Follower {
    /// Connects again whenever the stream ends. Returns once there is nothing to follow in this session.
    pub(super) async fn run(mut self) {
        let mut past = Past::default();
        loop {
            let began = Instant::now();
            let end = self.once(&mut past).await;
            if began.elapsed() > self.pace.longest_backoff {
                past.failures = 0; // a quiet stream that something between has cut
            }
            past.failures = past.failures.saturating_add(1);
            let wait = match end {
                End::ForGood => return,
                End::UnknownEvent => {
                    self.last_event_id = None;
                    Duration::ZERO
                }
                End::Occupied => SHORTEST_RETRY * past.failures,
                End::Broken(error) => {
                    if let Some(error) = error {
                        tracing::debug!(server = %self.server, %error, "an event stream ended");
                    }
                    past.retry.unwrap_or_else(|| self.pace.backoff(past.failures)).max(SHORTEST_RETRY)
                }
            };
            tokio::time::sleep(wait.min(self.pace.longest_backoff)).await;
        }
    }

    async fn once(&mut self, past: &mut Past) -> End {
        let Some(Origin { server, .. }) = self.listener.origin(&self.server) else { return End::ForGood };
        let last = self.last_event_id.as_deref();
        let response = match self.listener.open(&server, &self.session, last).await {
            Ok(response) => response,
            Err(error) => return End::Broken(Some(error)),
        };
        let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        match response.status().as_u16() {
            200 if header::media_type_is(content_type, "text/event-stream") => {
                self.read(response, past).await
            }
            400 | 404 if last.is_some() => End::UnknownEvent,
            409 => End::Occupied,
            408 | 425 | 429 | 500.. => End::Broken(None),
            _ => End::ForGood,
        }
    }

    /// Reads the stream to its end.
    async fn read(&mut self, mut response: Response, past: &mut Past) -> End {
        let mut parser = sse::Parser::with_limit(MAX_EVENT_BYTES);
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return End::Broken(None),
                Err(error) => {
                    let error = error.without_url();
                    let text = outbound::root_cause(&error).unwrap_or_else(|| error.to_string());
                    return End::Broken(Some(OpenError::Unreachable(text)));
                }
            };
            let mut rest = &chunk[..];
            loop {
                match parser.next(&mut rest) {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        past.failures = 0;
                        past.retry = event.retry.map(Duration::from_millis).or(past.retry);
                        if !self.take(event).await {
                            return End::ForGood;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(server = %self.server, %error, "an event stream cannot be read on");
                        return End::Broken(None);
                    }
                }
            }
        }
    }

    /// Passes an event on; `false`: nobody listens any more.
    async fn take(&mut self, event: sse::Event) -> bool {
        let has_id = event.id.is_some();
        if let Some(id) = event.id {
            let sendable = !id.is_empty() && HeaderValue::from_str(&id).is_ok();
            self.last_event_id = sendable.then(|| id.into());
        }
        let is_message = event.event.is_none_or(|name| name == "message") && !event.data.is_empty();
        let message = if is_message { self.passed(event.data).await } else { Ok(None) };
        let Ok(message) = message else { return false };
        if message.is_none() && !has_id {
            return true;
        }
        let mark = self.last_event_id.as_deref().and_then(|id| Mark::of(&self.session).write(id));
        let followed = Followed { server: self.server.clone(), mark, message };
        self.feed.send(followed).await.is_ok()
    }

    /// What the client gets of a message; `Err`: it does not see this server any more.
    async fn passed(&self, message: Vec<u8>) -> Result<Option<Vec<u8>>, OutOfSight> {
        // for each message anew: a stream that says nothing for hours must not keep an old state alive
        let origin = self.listener.origin(&self.server).ok_or(OutOfSight)?;
        if is_kept(&message) {
            return Ok(None);
        }
        Ok(match origin.rewrite(&message, &*self.listener.shared.sealer) {
            Outcome::Same => Some(message),
            Outcome::Changed(changed) => Some(changed),
            Outcome::Refused(reply) => {
                self.listener.reply(&origin.server, &self.session, reply).await;
                None
            }
        })
    }
}

/// The client does not see the server any more.
struct OutOfSight;

/// Whether a message stays here: that a list has changed the gateway says itself, once it has the new one, and an answer
/// on this stream could only pass for another server's (2025-11-25, transports, listening for messages). So could what is
/// not read here as a client may read it: a batch, or a message that two readers take differently.
fn is_kept(message: &[u8]) -> bool {
    let Ok(message) = mcp::scan(message) else { return true };
    let method = message.method.as_ref().map(|method| Method::of(&method.value));
    let is_list_changed = matches!(
        method,
        Some(Method::ToolsListChanged | Method::PromptsListChanged | Method::ResourcesListChanged)
    );
    match message.kind {
        Kind::Result | Kind::Error => true,
        Kind::Notification => is_list_changed,
        Kind::Request => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_announces_no_lists_and_answers_nothing_on_its_stream() {
        for (message, kept) in [
            (r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, true),
            (r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#, true),
            (r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed","params":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#, true),
            (r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"Result":1}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"id":1}"#, true),
            (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, true),
            ("no JSON", true),
        ] {
            assert_eq!(is_kept(message.as_bytes()), kept, "{message}");
        }
    }
}
