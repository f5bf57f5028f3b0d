//! The broker as a client of one server: `initialize`, the lists, the event stream, and the end of the session.

mod announced;
mod answer;
mod client;
mod error;
mod list;
mod stream;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::sync::Notify;

use self::{
    answer::{Answer, Heard, hear, is_event_stream, succeeded},
    client::Kind,
};
use super::limits::{CLOSE_DEADLINE, MAX_LIST_BYTES};
use crate::{
    mcp::{ClientCapabilities, Revision, header},
    outbound::{Events, read_all},
    routing::ServerSpec,
    sessions::ServerSession,
};

pub(super) use self::{announced::Announced, client::Clients, error::UpstreamError, list::Listed};

/// All that a client may be asked: some servers offer the tools that ask only to who can be asked. The broker itself
/// refuses every such request; the sessions of clients announce what each client does.
const ANNOUNCED: ClientCapabilities = ClientCapabilities(
    ClientCapabilities::ROOTS
        | ClientCapabilities::SAMPLING
        | ClientCapabilities::SAMPLING_TOOLS
        | ClientCapabilities::ELICITATION_FORM
        | ClientCapabilities::ELICITATION_URL,
);

/// One server, and the HTTP client that reaches it.
#[derive(Debug)]
pub(super) struct Upstream {
    spec: Arc<ServerSpec>,
    http: reqwest::Client,
    next_id: AtomicU64,
    /// The server has said that a list of it is another now.
    pub(super) changed: Notify,
    /// Something is known of its streams that was not known before.
    pub(super) learned: Notify,
    has_event_ids: AtomicBool,
    refuses_stream: AtomicBool,
}

/// What `initialize` has agreed on.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: ServerSession,
    pub(super) announced: Announced,
}

impl Upstream {
    /// A client for `spec`; reads its CA bundle.
    pub(super) async fn new(spec: &Arc<ServerSpec>, clients: &Clients) -> Result<Self, UpstreamError> {
        let http = clients.of(spec).await?;
        Ok(Self {
            spec: Arc::clone(spec),
            http,
            next_id: AtomicU64::new(1),
            changed: Notify::new(),
            learned: Notify::new(),
            has_event_ids: AtomicBool::new(false),
            refuses_stream: AtomicBool::new(false),
        })
    }

    /// Whether an event stream of the server has carried an id.
    pub(super) fn has_event_ids(&self) -> bool {
        self.has_event_ids.load(Ordering::Relaxed)
    }

    /// Whether the server offers a stream on GET; `true` until it has said that it does not.
    pub(super) fn offers_stream(&self) -> bool {
        !self.refuses_stream.load(Ordering::Relaxed)
    }

    /// `initialize` and `notifications/initialized`.
    pub(super) async fn connect(&self) -> Result<Connection, UpstreamError> {
        let what = "initialize";
        let params = serde_json::json!({
            "protocolVersion": Revision::LATEST.as_str(),
            "capabilities": ANNOUNCED.declared(),
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let (answer, session) = self.ask(None, what, &params).await?;
        let announced = Announced::read(answer.result.of(&answer.body));
        let revision = announced.as_ref().map_or(Revision::LATEST, |announced| announced.revision);
        let session = match session {
            Some(id) => ServerSession::new(id.as_bytes(), revision)
                .map_err(|invalid| not_mcp(what, &invalid.to_string()))?,
            None => ServerSession::without_id(revision),
        };
        let announced = match announced {
            Ok(announced) => announced,
            Err(error) => {
                self.close(&session).await; // not understood, but begun
                return Err(error);
            }
        };
        let connection = Connection { session, announced };
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        if let Err(error) = self.send(&connection, "notifications/initialized", initialized.into()).await {
            self.close(&connection.session).await;
            return Err(error);
        }
        Ok(connection)
    }

    /// Ends the session, if there is one; a server that does not answer is left alone.
    pub(super) async fn close(&self, session: &ServerSession) {
        if session.id().is_none() {
            return;
        }
        let Ok(fields) = client::fields(self.spec.credential.as_ref(), Some(session), Kind::End) else {
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
            self.note_id(event.id.as_deref());
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
            heard @ (Heard::Ping(_) | Heard::Unserved(_) | Heard::ListChanged | Heard::Other) => {
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
            Heard::ListChanged => {
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
        let session = connection.map(|connection| &connection.session);
        let fields = client::fields(self.spec.credential.as_ref(), session, Kind::Message)?;
        let request = self.http.post(self.spec.url.clone()).headers(fields).body(message);
        let response = request.send().await.map_err(UpstreamError::transport)?;
        succeeded(response, what, session.is_some_and(|session| session.id().is_some())).await
    }

    /// Notes that an event has come with `id`.
    fn note_id(&self, id: Option<&str>) {
        let has_id = id.is_some_and(|id| !id.is_empty());
        if has_id && !self.has_event_ids.swap(true, Ordering::Relaxed) {
            self.learned.notify_one();
        }
    }
}

async fn within<T>(
    what: &'static str,
    after: Duration,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    tokio::time::timeout(after, work).await.unwrap_or(Err(UpstreamError::Deadline { what, after }))
}

fn not_mcp(what: &'static str, reason: &str) -> UpstreamError {
    UpstreamError::NotMcp { what, reason: reason.to_owned() }
}
