//! The broker as a client of one server: `initialize`, `tools/list`, the event stream, and the end of the session.

mod answer;
mod client;
mod error;
mod stream;

use std::{
    collections::HashSet,
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::sync::Notify;

use self::{
    answer::{Answer, Heard, hear, is_event_stream, succeeded},
    client::Kind,
};
use super::{
    limits::{CLOSE_DEADLINE, LIST_DEADLINE, MAX_LIST_BYTES, MAX_PAGES, MAX_TOOLS},
    page, tool,
};
use crate::{
    mcp::{Revision, Span, header},
    outbound::{Events, read_all},
    routing::{DiscoveredTool, RejectedTool, ServerSpec},
    sessions::ServerSession,
};

pub(super) use self::error::UpstreamError;

/// One server, and the HTTP client that reaches it.
#[derive(Debug)]
pub(super) struct Upstream {
    spec: ServerSpec,
    http: reqwest::Client,
    next_id: AtomicU64,
    /// The server has said that its list is another now.
    pub(super) changed: Notify,
}

/// What `initialize` has agreed on.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: ServerSession,
    /// Whether `tools.listChanged` is announced.
    pub(super) list_changed: bool,
}

/// A server's whole list, checked.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) tools: Vec<DiscoveredTool>,
    pub(super) rejected: Vec<RejectedTool>,
}

impl Upstream {
    /// A client for `spec`; reads its CA bundle.
    pub(super) async fn new(spec: &ServerSpec) -> Result<Self, UpstreamError> {
        let http = client::build(spec).await?;
        Ok(Self { spec: spec.clone(), http, next_id: AtomicU64::new(1), changed: Notify::new() })
    }

    /// `initialize` and `notifications/initialized`.
    pub(super) async fn connect(&self) -> Result<Connection, UpstreamError> {
        let what = "initialize";
        let params = serde_json::json!({
            "protocolVersion": Revision::LATEST.as_str(),
            "capabilities": {},
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let (answer, session) = self.ask(None, what, &params).await?;
        let agreed = agreed(what, answer.result.of(&answer.body));
        let (revision, list_changed) = *agreed.as_ref().unwrap_or(&(Revision::LATEST, false));
        let session = match session {
            Some(id) => ServerSession::new(id.as_bytes(), revision)
                .map_err(|invalid| not_mcp(what, &invalid.to_string()))?,
            None => ServerSession::without_id(revision),
        };
        let connection = Connection { session, list_changed };
        if let Err(error) = agreed {
            self.close(&connection).await;
            return Err(error);
        }
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        if let Err(error) = self.send(&connection, "notifications/initialized", initialized.into()).await {
            self.close(&connection).await;
            return Err(error);
        }
        Ok(connection)
    }

    /// All pages of `tools/list`.
    ///
    /// It is asked for whatever capabilities the server announces: not all that have tools say so.
    pub(super) async fn list(&self, connection: &Connection) -> Result<Listed, UpstreamError> {
        within("listing all tools", LIST_DEADLINE, self.list_pages(connection)).await
    }

    async fn list_pages(&self, connection: &Connection) -> Result<Listed, UpstreamError> {
        let what = "tools/list";
        let (mut pages, mut seen, mut count, mut bytes) =
            (Vec::<(Vec<u8>, Vec<Span>)>::new(), HashSet::new(), 0, 0);
        let mut cursor = None;
        loop {
            let params = cursor.map_or_else(
                || serde_json::json!({}),
                |cursor: String| serde_json::json!({"cursor": cursor}),
            );
            let Answer { body, result } = match self.ask(Some(connection), what, &params).await {
                Ok((answer, _)) => answer,
                Err(UpstreamError::Refused { code: -32601, .. }) => break, // a server without tools
                Err(error) => return Err(error),
            };
            let page = page::read(&body, result).map_err(|reason| UpstreamError::NotMcp { what, reason })?;
            count += page.tools.len();
            bytes += body.len();
            if count > MAX_TOOLS {
                return Err(UpstreamError::TooManyTools(MAX_TOOLS));
            }
            if bytes > MAX_LIST_BYTES {
                return Err(UpstreamError::TooLarge { what, limit: MAX_LIST_BYTES });
            }
            pages.push((body, page.tools));
            let Some(next) = page.next else { break };
            if pages.len() == MAX_PAGES {
                return Err(UpstreamError::TooManyPages(MAX_PAGES));
            }
            if !seen.insert(next.clone()) {
                return Err(UpstreamError::CursorLoop);
            }
            cursor = Some(next);
        }
        let tools = pages.iter().flat_map(|(body, tools)| tools.iter().map(|span| span.of(body)));
        let (tools, rejected) = tool::read_all(tools, &self.spec.prefix);
        Ok(Listed { tools, rejected })
    }

    /// Ends the session, if there is one; a server that does not answer is left alone.
    pub(super) async fn close(&self, connection: &Connection) {
        if connection.session.id().is_none() {
            return;
        }
        let Ok(fields) = client::fields(self.spec.credential.as_ref(), Some(connection), Kind::End) else {
            return;
        };
        let request = self.http.delete(self.spec.url.clone()).headers(fields).send();
        if tokio::time::timeout(CLOSE_DEADLINE, request).await.is_err() {
            tracing::debug!(server = %self.spec.name, "the session was not ended in time");
        }
    }

    /// Sends a request and waits for its answer; with it comes the `mcp-session-id` of the response.
    async fn ask(
        &self,
        connection: Option<&Connection>,
        what: &'static str,
        params: &serde_json::Value,
    ) -> Result<(Answer, Option<HeaderValue>), UpstreamError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{what}","params":{params}}}"#);
        within(what, self.spec.timeouts.request, async {
            let response = self.post(connection, what, request).await?;
            let session = response.headers().get(header::SESSION_ID).cloned();
            if is_event_stream(&response, what)? {
                let events = Events::new(response, MAX_LIST_BYTES);
                return Ok((self.answer_among(events, connection, what, id).await?, session));
            }
            let unread = |error| UpstreamError::unread(what, MAX_LIST_BYTES, error);
            let body = read_all(response, MAX_LIST_BYTES).await.map_err(unread)?;
            let answer = self.take(body, connection, what, id).await?;
            Ok((answer.ok_or_else(|| not_mcp(what, "it is no answer to this request"))?, session))
        })
        .await
    }

    async fn answer_among(
        &self,
        mut events: Events,
        connection: Option<&Connection>,
        what: &'static str,
        id: u64,
    ) -> Result<Answer, UpstreamError> {
        let unread = |error| UpstreamError::unread(what, MAX_LIST_BYTES, error);
        while let Some(event) = events.next().await.map_err(unread)? {
            // without data it only hands out an id
            if !event.data.is_empty()
                && let Some(answer) = self.take(event.data, connection, what, id).await?
            {
                return Ok(answer);
            }
        }
        Err(UpstreamError::Unanswered { what })
    }

    /// Takes a message that came while the answer to `id` is waited for: that answer, or something by the way.
    async fn take(
        &self,
        body: Vec<u8>,
        connection: Option<&Connection>,
        what: &'static str,
        id: u64,
    ) -> Result<Option<Answer>, UpstreamError> {
        match hear(&body, Some(id)).map_err(|fault| not_mcp(what, &fault.to_string()))? {
            Heard::Answer(Ok(result)) => Ok(Some(Answer { body, result })),
            Heard::Answer(Err(code)) => Err(UpstreamError::Refused { what, code }),
            heard @ (Heard::Ping(_) | Heard::Unserved(_) | Heard::ToolsChanged | Heard::Other) => {
                if let Some(connection) = connection {
                    self.react(connection, heard).await?;
                }
                Ok(None)
            }
        }
    }

    /// Does what a message of the server calls for.
    async fn react(&self, connection: &Connection, heard: Heard) -> Result<(), UpstreamError> {
        let reply = match heard {
            Heard::Ping(id) => [br#"{"jsonrpc":"2.0","id":"#, id.as_slice(), br#","result":{}}"#].concat(),
            Heard::Unserved(id) => {
                let error = br#","error":{"code":-32601,"message":"the gateway does not offer this"}}"#;
                [br#"{"jsonrpc":"2.0","id":"#, id.as_slice(), error].concat()
            }
            Heard::ToolsChanged => {
                self.changed.notify_one();
                return Ok(());
            }
            Heard::Answer(_) | Heard::Other => return Ok(()),
        };
        self.send(connection, "the answer to a request of the server", reply).await
    }

    /// Sends a message that is not answered.
    async fn send(
        &self,
        connection: &Connection,
        what: &'static str,
        message: Vec<u8>,
    ) -> Result<(), UpstreamError> {
        let sent = async { self.post(Some(connection), what, message).await.map(drop) };
        within(what, self.spec.timeouts.request, sent).await
    }

    async fn post(
        &self,
        connection: Option<&Connection>,
        what: &'static str,
        message: impl Into<reqwest::Body>,
    ) -> Result<reqwest::Response, UpstreamError> {
        let fields = client::fields(self.spec.credential.as_ref(), connection, Kind::Message)?;
        let request = self.http.post(self.spec.url.clone()).headers(fields).body(message);
        let response = request.send().await.map_err(UpstreamError::transport)?;
        succeeded(response, what, connection.is_some_and(|connection| connection.session.id().is_some()))
            .await
    }
}

async fn within<T>(
    what: &'static str,
    after: Duration,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    tokio::time::timeout(after, work).await.unwrap_or(Err(UpstreamError::Deadline { what, after }))
}

/// The revision, and whether `tools.listChanged` is announced.
fn agreed(what: &'static str, result: &[u8]) -> Result<(Revision, bool), UpstreamError> {
    let result: serde_json::Value =
        serde_json::from_slice(result).map_err(|_unreadable| not_mcp(what, "its result cannot be read"))?;
    let Some(answered) = result.get("protocolVersion").and_then(serde_json::Value::as_str) else {
        return Err(not_mcp(what, "its result has no `protocolVersion`"));
    };
    let revision =
        Revision::parse(answered).ok_or_else(|| UpstreamError::Revision(tool::printable(answered)))?;
    let list_changed = result.pointer("/capabilities/tools/listChanged");
    Ok((revision, list_changed.and_then(serde_json::Value::as_bool).unwrap_or(false)))
}

fn not_mcp(what: &'static str, reason: &str) -> UpstreamError {
    UpstreamError::NotMcp { what, reason: reason.to_owned() }
}
