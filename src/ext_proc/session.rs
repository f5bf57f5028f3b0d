//! The server session of a call: looked up, or opened through Envoy; and, once lost, another one.

use std::{sync::Arc, time::Duration};

use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use reqwest::header;
use tokio::time::timeout;

use super::{Parts, codec};
use crate::{
    clock::UnixTime,
    exchange::{HairpinRight, Header, SessionNeed, SessionOutcome},
    mcp::{self, Method, Rejection},
    outbound::{ReadError, read_all},
    sessions::{Errand, Found, OpenError, OpenFailure, ServerSession, StoreError},
    telemetry::Attempt,
};

/// Longest wait for a server session. Shorter than Envoy's `message_timeout` (10 s in the bootstrap), so that the
/// client is told what happened.
pub(super) const SESSION_DEADLINE: Duration = Duration::from_secs(9);

/// Largest answer to a call that was made again where it cannot be passed on in pieces, in bytes.
const MAX_REPLAYED_ANSWER: usize = 4 << 20;

/// The session of a call.
#[derive(Debug)]
pub(super) enum Session {
    /// At a server that issues sessions.
    At(ServerSession),
    /// There is none; what the exchange is told.
    Not(SessionOutcome),
}

/// The server session that `need` asks for. `request` is the head of the client's request.
pub(super) async fn find(parts: &Parts, need: &SessionNeed, request: &HeaderMap) -> Session {
    let found = timeout(SESSION_DEADLINE, find_or_open(parts, need, request)).await;
    found.unwrap_or_else(|_elapsed| {
        parts.metrics.session(Attempt::Failed);
        tracing::warn!(server = %need.server.name, "the server did not open a session in time");
        Session::Not(SessionOutcome::Unavailable)
    })
}

async fn find_or_open(parts: &Parts, need: &SessionNeed, request: &HeaderMap) -> Session {
    let server = if need.server.issues_sessions { need.server.name.as_str() } else { "" };
    match parts.store.find(need.session, server).await {
        Ok(Found::Revoked) => Session::Not(SessionOutcome::Revoked),
        Ok(Found::Session(session)) => Session::At(session),
        Ok(Found::Missing) if need.server.issues_sessions => {
            Call::of(need, request).open(parts, need, None).await
        }
        Ok(Found::Missing) => Session::Not(SessionOutcome::Ready(None)),
        Err(error) => Session::Not(store_failed(parts, &error)),
    }
}

/// What the gateway's own requests for one call are made of.
struct Call<'a> {
    right: HairpinRight,
    headers: Vec<Header<'a>>,
    tool: String,
}

impl<'a> Call<'a> {
    fn of(need: &SessionNeed, request: &'a HeaderMap) -> Self {
        let (server, hostname) = (need.server.name.as_str().into(), need.server.hostname.as_str().into());
        Self {
            right: HairpinRight { server, hostname },
            headers: codec::headers(request),
            tool: mcp::header::value(&need.tool).into_owned(),
        }
    }

    /// What policies of the server's route read of the call.
    fn set(&self) -> [Header<'_>; 2] {
        let method = Method::ToolsCall.as_str().as_bytes();
        [
            Header { name: mcp::header::X_MCP_METHOD, value: method },
            Header { name: mcp::header::X_MCP_TOOLNAME, value: self.tool.as_bytes() },
        ]
    }

    fn errand<'b>(&'b self, set: &'b [Header<'b>]) -> Errand<'b> {
        Errand { right: &self.right, headers: &self.headers, set }
    }

    /// Opens a server session, in the place of the `lost` one.
    async fn open(&self, parts: &Parts, need: &SessionNeed, lost: Option<&str>) -> Session {
        let set = self.set();
        let opening = parts.hairpin.open(self.errand(&set), need.revision);
        let (expires, server) = (UnixTime(need.expires), need.server.name.as_str());
        let opened = match parts.store.open(need.session, expires, server, lost, opening).await {
            Ok(opened) => opened,
            Err(failure) => {
                parts.metrics.session(Attempt::Failed);
                tracing::warn!(server, error = %failure, "no session at the server");
                return Session::Not(match failure {
                    OpenFailure::Store(error) => store_failed(parts, &error),
                    OpenFailure::Opener(OpenError::Refused { status, .. }) => {
                        SessionOutcome::Refused { status }
                    }
                    OpenFailure::Opener(OpenError::Unreachable(_)) => SessionOutcome::Unavailable,
                });
            }
        };
        parts.metrics.session(Attempt::Succeeded);
        if let Some(stray) = opened.stray
            && let Err(error) = parts.hairpin.close(self.errand(&set), &stray).await
        {
            tracing::debug!(server, %error, "a session that nobody needs stays open at the server");
        }
        match opened.session {
            Some(session) => Session::At(session),
            None => Session::Not(SessionOutcome::Revoked),
        }
    }
}

fn store_failed(parts: &Parts, error: &StoreError) -> SessionOutcome {
    parts.metrics.store_error();
    tracing::warn!(%error, "no answer about a session");
    SessionOutcome::StoreUnavailable
}

/// A call that was answered with 404 or 400 in `session`.
pub(super) struct Lost {
    pub(super) need: SessionNeed,
    pub(super) status: u16,
    pub(super) session: ServerSession,
    /// The body that was sent; absent where it was too large to keep.
    pub(super) call: Option<Vec<u8>>,
    pub(super) request: HeaderMap,
    /// The new answer cannot go on in pieces: its whole body is read first.
    pub(super) whole: bool,
}

/// What came of a call that may have met a lost session.
#[derive(Debug)]
pub(super) enum Replayed {
    /// The session lives: the answer was about the call.
    NotNeeded,
    /// The answer in another session, its body still to come.
    Streaming(reqwest::Response),
    /// The answer in another session, all of it.
    Whole {
        status: u16,
        fields: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    },
    Failed(Rejection),
}

/// Makes the call again in another session, if it was the session that was lost.
pub(super) async fn replay(parts: Arc<Parts>, lost: Lost) -> Replayed {
    let (server, whole) = (lost.need.server.name.to_string(), lost.whole);
    let mut replayed = try_replay(&parts, lost).await;
    if whole && let Replayed::Streaming(answer) = replayed {
        replayed = collected(answer, server).await;
    }
    match &replayed {
        Replayed::NotNeeded => {}
        Replayed::Streaming(_) | Replayed::Whole { .. } => parts.metrics.replay(Attempt::Succeeded),
        Replayed::Failed(_) => parts.metrics.replay(Attempt::Failed),
    }
    replayed
}

async fn try_replay(parts: &Parts, lost: Lost) -> Replayed {
    let Lost { need, status, session, call: body, request, whole: _ } = lost;
    let server = need.server.name.to_string();
    let call = Call::of(&need, &request);
    let set = call.set();
    let unavailable = |error: &OpenError| {
        tracing::warn!(server, %error, "a call could not be made again");
        Replayed::Failed(Rejection::ServerUnavailable { server: server.clone() })
    };
    // a 400 may be about the session or about the call: the server itself knows
    if status != 404 {
        match parts.hairpin.ping(call.errand(&set), &session).await {
            Ok(true) => return Replayed::NotNeeded,
            Ok(false) => {}
            Err(error) => return unavailable(&error),
        }
    }
    tracing::info!(server, "the server has lost a session: opening another one");
    match (call.open(parts, &need, session.id()).await, body) {
        (Session::At(session), Some(body)) => {
            let again = parts.hairpin.call(call.errand(&set), &session, body).await;
            match again {
                Ok(answer) if answer.status().is_redirection() => {
                    let status = answer.status().as_u16();
                    Replayed::Failed(Rejection::ServerRedirected { server, status })
                }
                Ok(answer) => Replayed::Streaming(answer),
                Err(error) => unavailable(&error),
            }
        }
        (Session::Not(SessionOutcome::Revoked), _) => Replayed::Failed(Rejection::UnknownSession),
        (Session::Not(SessionOutcome::StoreUnavailable), _) => Replayed::Failed(Rejection::StoreUnavailable),
        (Session::Not(SessionOutcome::Refused { status }), _) => {
            Replayed::Failed(Rejection::ServerRefusedSession { server, status })
        }
        // also: the new session is there, but the call was too large to keep; the client's next one works
        (Session::At(_), None)
        | (Session::Not(SessionOutcome::Unavailable | SessionOutcome::Ready(_)), _) => {
            Replayed::Failed(Rejection::ServerUnavailable { server })
        }
    }
}

/// The header fields of another answer, as they go to the client: not what is about its connection to us, and no
/// session id.
pub(super) fn answered(headers: &header::HeaderMap) -> Vec<(String, Vec<u8>)> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !LEFT.contains(&name.as_str()) && !name.as_str().starts_with("x-envoy-"));
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

const LEFT: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    mcp::header::SESSION_ID,
];

async fn collected(answer: reqwest::Response, server: String) -> Replayed {
    let (status, fields) = (answer.status().as_u16(), answered(answer.headers()));
    match read_all(answer, MAX_REPLAYED_ANSWER).await {
        Ok(body) => Replayed::Whole { status, fields, body },
        Err(ReadError::TooLarge) => {
            tracing::warn!(server, "the answer to a call that was made again is too large to hold");
            Replayed::Failed(Rejection::Internal)
        }
        Err(ReadError::Broken(_)) => Replayed::Failed(Rejection::ServerUnavailable { server }),
    }
}
