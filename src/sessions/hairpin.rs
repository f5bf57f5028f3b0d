//! The gateway's own requests to servers: through Envoy, so that each server's route, policies and TLS apply.
//!
//! They go to the listener that clients use, under the public host; a sealed right in `x-mcp-hairpin` names the server,
//! and the router turns the request to it. Nothing a client sends decides where they go.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use serde_json::json;
use tokio::time::timeout;

use super::{ServerSession, answer, target::Target};
use crate::{
    credentials::Sealer,
    exchange::{HairpinRight, Header},
    mcp::{ClientCapabilities, Revision, ServerCapabilities, header},
    outbound,
};

/// Longest time to open a session: less than Envoy waits for the router.
const OPEN_DEADLINE: Duration = Duration::from_secs(8);

/// Longest time to hear whether a session lives, or that it is closed.
const SHORT_DEADLINE: Duration = Duration::from_secs(2);

pub(super) const BOTH_TYPES: &str = "application/json, text/event-stream";

/// Id of `initialize`, the first request of its session.
const INITIALIZE_ID: &str = "1";

/// Sends requests to servers through Envoy.
#[derive(Debug)]
pub struct Hairpin {
    target: ArcSwap<Target>,
    sealer: Arc<Sealer>,
    deadline: Duration,
}

/// What one request is made for.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    /// The server it goes to.
    pub right: &'a HairpinRight,
    /// What the client has sent; what is end-to-end is copied, so that policies see the client they know.
    pub headers: &'a [Header<'a>],
    /// Header fields that are set as they are: what policies read of the call (`x-mcp-toolname` and the like).
    pub set: &'a [Header<'a>],
}

/// Why a request has not got what it was made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the server refuses a session (HTTP {status}): {text}")]
    Refused { status: u16, text: String },
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
}

/// A host that no request can be sent to or under.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host: write host:port, or http:// or https:// before it")]
pub struct InvalidHost(pub(super) String);

impl Hairpin {
    /// `private_host`: where Envoy listens for the gateway, `host:port`, `http://` unless it says `https://`.
    /// `public_host`: what clients name; with `https://` it is also the name in the server's certificate.
    pub fn new(private_host: &str, public_host: &str, sealer: Arc<Sealer>) -> Result<Self, InvalidHost> {
        let target = ArcSwap::from_pointee(Target::new(private_host, public_host)?);
        Ok(Self { target, sealer, deadline: OPEN_DEADLINE })
    }

    /// Requests go there from now on.
    pub fn aim(&self, private_host: &str, public_host: &str) -> Result<(), InvalidHost> {
        self.target.store(Arc::new(Target::new(private_host, public_host)?));
        Ok(())
    }

    /// With another deadline for opening a session than the usual one.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Opens a session: `initialize`, then `notifications/initialized`. Declares exactly what the client has announced,
    /// so that the server asks for nothing else.
    ///
    /// The session has no id where the server issues none.
    pub async fn open(
        &self,
        errand: Errand<'_>,
        revision: Revision,
        capabilities: ClientCapabilities,
    ) -> Result<ServerSession, OpenError> {
        let (session, _announced) = self.initialize(errand, revision, capabilities).await?;
        Ok(session)
    }

    /// As [`Hairpin::open`], with what the server announces.
    pub(super) async fn initialize(
        &self,
        errand: Errand<'_>,
        revision: Revision,
        capabilities: ClientCapabilities,
    ) -> Result<(ServerSession, ServerCapabilities), OpenError> {
        within(self.deadline, self.initialize_late(errand, revision, capabilities)).await
    }

    async fn initialize_late(
        &self,
        errand: Errand<'_>,
        revision: Revision,
        capabilities: ClientCapabilities,
    ) -> Result<(ServerSession, ServerCapabilities), OpenError> {
        let params = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": capabilities.declared(),
            "clientInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        let body = request("initialize", INITIALIZE_ID, &params.to_string());
        let response = self.post(errand, None, body).send().await.map_err(OpenError::unreachable)?;
        let id = session_id(&response);
        let (revision, announced) = answer::negotiated(response, INITIALIZE_ID).await?;
        let session = match id? {
            Some(id) => ServerSession::new(id.as_bytes(), revision)
                .map_err(|error| OpenError::Refused { status: 200, text: error.to_string() })?,
            None => ServerSession::without_id(revision),
        };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        // awaited, since servers refuse calls before it; what is wrong with it, the call will show
        if let Err(error) = self.post(errand, Some(&session), initialized.to_string()).send().await {
            tracing::debug!(error = %OpenError::unreachable(error), "notifications/initialized not delivered");
        }
        Ok((session, announced))
    }

    /// Whether the server still knows the session: it does unless it answers a `ping` with 404, or with 400 as
    /// servers on the TypeScript SDK do.
    pub async fn ping(&self, errand: Errand<'_>, session: &ServerSession) -> Result<bool, OpenError> {
        let response = self.short(self.post(errand, Some(session), request("ping", &own_id(), "{}"))).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(answer::refusal(response, false).await),
        }
    }

    /// Makes a call again in a new session. The answer streams, whatever its status; it has no deadline here.
    pub async fn call(
        &self,
        errand: Errand<'_>,
        session: &ServerSession,
        body: impl Into<Bytes>,
    ) -> Result<Response, OpenError> {
        self.post(errand, Some(session), body.into()).send().await.map_err(OpenError::unreachable)
    }

    /// Makes a request of the gateway's own, with `params` of JSON; the whole JSON-RPC response, up to
    /// [`super::MAX_ANSWER_BYTES`], be it a result or an error.
    pub async fn query(
        &self,
        errand: Errand<'_>,
        session: &ServerSession,
        method: &str,
        params: &str,
    ) -> Result<Vec<u8>, OpenError> {
        let id = own_id();
        let request = self.post(errand, Some(session), request(method, &id, params));
        let answered = async {
            answer::response(request.send().await.map_err(OpenError::unreachable)?, &id, method).await
        };
        within(self.deadline, answered).await
    }

    /// Sends a message that is not answered, such as a notification or the answer to a request of the server.
    pub async fn send(
        &self,
        errand: Errand<'_>,
        session: &ServerSession,
        message: impl Into<Bytes>,
    ) -> Result<(), OpenError> {
        let response = self.short(self.post(errand, Some(session), message.into())).await?;
        if response.status().is_success() { Ok(()) } else { Err(answer::refusal(response, false).await) }
    }

    /// Opens the server's event stream (GET), from after the event `last_event_id` where there is one; the response as
    /// it comes, whatever its status. It has no deadline: a server may say nothing at all until its first event.
    pub async fn stream(
        &self,
        errand: Errand<'_>,
        session: &ServerSession,
        last_event_id: Option<&str>,
    ) -> Result<Response, OpenError> {
        let mut fields = HeaderMap::new();
        insert(&mut fields, ACCEPT.as_str(), b"text/event-stream");
        if let Some(id) = last_event_id {
            insert(&mut fields, header::LAST_EVENT_ID, id.as_bytes());
        }
        let request = self.request(Method::GET, errand, Some(session)).headers(fields);
        request.send().await.map_err(OpenError::unreachable)
    }

    /// Closes a session at its server (DELETE). One that the server no longer knows, or does not let clients close,
    /// counts as closed.
    pub async fn close(&self, errand: Errand<'_>, session: &ServerSession) -> Result<(), OpenError> {
        let response = self.short(self.request(Method::DELETE, errand, Some(session))).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(answer::refusal(response, false).await),
        }
    }

    async fn short(&self, request: RequestBuilder) -> Result<Response, OpenError> {
        within(SHORT_DEADLINE, async { request.send().await.map_err(OpenError::unreachable) }).await
    }

    fn post(
        &self,
        errand: Errand<'_>,
        session: Option<&ServerSession>,
        body: impl Into<reqwest::Body>,
    ) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        self.request(Method::POST, errand, session).header(CONTENT_TYPE, json).body(body)
    }

    fn request(&self, method: Method, errand: Errand<'_>, session: Option<&ServerSession>) -> RequestBuilder {
        let target = self.target.load();
        let mut fields = copied(errand.headers);
        for field in errand.set {
            insert(&mut fields, field.name, field.value);
        }
        fields.insert(HOST, target.host.clone());
        fields.insert(USER_AGENT, HeaderValue::from_static(outbound::USER_AGENT));
        fields.insert(ACCEPT, HeaderValue::from_static(BOTH_TYPES));
        insert(&mut fields, header::X_MCP_SERVERNAME, errand.right.server.as_bytes());
        insert(&mut fields, header::X_MCP_HAIRPIN, self.sealer.seal_hairpin(errand.right).as_bytes());
        if let Some(session) = session {
            insert(&mut fields, header::PROTOCOL_VERSION, session.revision().as_str().as_bytes());
            if let Some(id) = session.id() {
                insert(&mut fields, header::SESSION_ID, id.as_bytes());
            }
        }
        target.http.request(method, target.url.clone()).headers(fields)
    }

    pub(super) fn target(&self) -> Guard<Arc<Target>> {
        self.target.load()
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}

/// Gives up after `deadline`.
async fn within<T>(
    deadline: Duration,
    answered: impl Future<Output = Result<T, OpenError>>,
) -> Result<T, OpenError> {
    let late = || OpenError::Unreachable(format!("no answer within {} s", deadline.as_secs_f32()));
    timeout(deadline, answered).await.unwrap_or_else(|_elapsed| Err(late()))
}

/// A request of the gateway's own; `id` and `params` are JSON.
fn request(method: &str, id: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// An id that no request of the client has in the same session.
fn own_id() -> String {
    format!(r#""mcp-gateway-{:016x}""#, fastrand::u64(..))
}

impl OpenError {
    /// Says what went wrong below HTTP, without the URL.
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let text = outbound::root_cause(&error).unwrap_or_else(|| error.to_string());
        Self::Unreachable(if error.is_connect() { format!("no connection to Envoy: {text}") } else { text })
    }
}

/// Header fields that are about this hop, this body or another session, and stay behind.
const LEFT: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// The same, by how their names begin.
const LEFT_FAMILIES: &[&str] =
    &[":", "access-control-", "content-", "if-", "mcp-", "sec-", "x-envoy-", "x-forwarded-", "x-mcp-"];

/// The client's end-to-end header fields.
fn copied(headers: &[Header<'_>]) -> HeaderMap {
    let mut copied = HeaderMap::new();
    for field in headers {
        // some servers read both spellings as one
        let name = field.name.to_ascii_lowercase().replace('_', "-");
        let stays = LEFT.contains(&&*name) || LEFT_FAMILIES.iter().any(|family| name.starts_with(family));
        if !stays && let Some((name, value)) = parsed(field.name, field.value) {
            copied.append(name, value);
        }
    }
    copied
}

pub(super) fn insert(fields: &mut HeaderMap, name: &str, value: &[u8]) {
    if let Some((name, value)) = parsed(name, value) {
        fields.insert(name, value);
    }
}

/// Marked sensitive, so that no `Debug` shows it; `None` if no request can carry it.
fn parsed(name: &str, value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// The id the server gave, if it gave one; two are as bad as one that cannot be sent.
fn session_id(response: &Response) -> Result<Option<HeaderValue>, OpenError> {
    let mut ids = response.headers().get_all(header::SESSION_ID).iter();
    let id = ids.next().cloned();
    match ids.next() {
        None => Ok(id),
        Some(_) => {
            Err(OpenError::Refused { status: 200, text: "the server gave two session ids".to_owned() })
        }
    }
}
