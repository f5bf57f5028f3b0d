//! The server session of a call: looked up, or opened through Envoy; and, once lost, another one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::header;
use tokio::time::timeout;

use super::{Parts, codec};
use crate::{
    clock::UnixTime,
    exchange::{HairpinRight, Header, SessionNeed, SessionOutcome, Subject},
    mcp::{self, Rejection},
    outbound::{ReadError, read_all},
    sessions::{Errand, Found, OpenError, OpenFailure, Opening, ServerSession, StoreError},
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

impl Session {
    fn id(&self) -> Option<&str> {
        match self {
            Self::At(session) => session.id(),
            Self::Not(_) => None,
        }
    }
}

/// What stands in the store for the request known as `alias`: in another session a server counts from the beginning, and
/// its first request there has the alias of the first one here.
pub(super) fn asked_in(server_session: Option<&str>, alias: &str) -> String {
    format!("{} {alias}", server_session.unwrap_or_default())
}

/// The server session that `need` asks for. `request` is the head of the client's request (`HeaderMap`).
pub(super) async fn find(parts: &Parts, need: &SessionNeed, request: &[u8]) -> Session {
    let found = timeout(SESSION_DEADLINE, find_or_open(parts, need, request)).await;
    found.unwrap_or_else(|_elapsed| {
        parts.metrics.session(Attempt::Failed);
        tracing::warn!(server = %need.server.name, "the server did not open a session in time");
        Session::Not(SessionOutcome::Unavailable)
    })
}

async fn find_or_open(parts: &Parts, need: &SessionNeed, request: &[u8]) -> Session {
    let server = if need.server.issues_sessions { need.server.name.as_str() } else { "" };
    let found = match parts.store.find(need.session, server).await {
        Ok(Found::Revoked) => return Session::Not(SessionOutcome::Revoked),
        Ok(Found::Session(session)) => Session::At(session),
        Ok(Found::Missing) if !need.server.issues_sessions => Session::Not(SessionOutcome::Ready(None)),
        Ok(Found::Missing) if !need.opens => return Session::Not(SessionOutcome::Missing),
        // boxed: what is rarely done would make the state of every exchange larger
        Ok(Found::Missing) => match Box::pin(Call::of(need, request).open(parts, need, None)).await {
            Session::At(session) => Session::At(session),
            failed @ Session::Not(_) => return failed,
        },
        Err(error) => return Session::Not(store_failed(parts, &error)),
    };
    if let Some(alias) = &need.settles {
        match Box::pin(parts.store.settle(need.session, &asked_in(found.id(), alias))).await {
            Ok(true) => {}
            Ok(false) => return Session::Not(SessionOutcome::Settled),
            Err(error) => return Session::Not(store_failed(parts, &error)),
        }
    }
    if let Some(request) = &need.request {
        parts.store.note(need.session, request, need.server.name.as_str());
    }
    found
}

/// What the gateway's own requests for one call are made of.
struct Call<'a> {
    right: HairpinRight,
    headers: Vec<Header<'a>>,
    subject: &'a Subject,
}

impl<'a> Call<'a> {
    fn of(need: &'a SessionNeed, request: &'a [u8]) -> Self {
        let (server, hostname) = (need.server.name.as_str().into(), need.server.hostname.as_str().into());
        let right = HairpinRight { server, hostname };
        Self { right, headers: codec::header_fields(request).unwrap_or_default(), subject: &need.subject }
    }

    /// What policies of the server's route read of the call.
    fn set(&self) -> Vec<Header<'_>> {
        self.subject.fields().map(|(name, value)| Header { name, value: value.as_bytes() }).collect()
    }

    fn errand<'b>(&'b self, set: &'b [Header<'b>]) -> Errand<'b> {
        Errand { right: &self.right, headers: &self.headers, set }
    }

    /// Opens a server session, in the place of the `lost` one.
    async fn open(&self, parts: &Parts, need: &SessionNeed, lost: Option<&str>) -> Session {
        let set = self.set();
        let server = need.server.name.as_str();
        let opening = Opening {
            session: need.session,
            expires: UnixTime(need.expires),
            lost,
            errand: self.errand(&set),
            revision: need.revision,
            capabilities: need.capabilities,
        };
        let opened = match parts.store.open_through(&parts.hairpin, opening).await {
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
    pub(super) call: Option<Bytes>,
    pub(super) request: Bytes,
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
        content_type: Option<Box<str>>,
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
        | (
            Session::Not(
                SessionOutcome::Unavailable
                | SessionOutcome::Ready(_)
                | SessionOutcome::Missing
                | SessionOutcome::Settled,
            ),
            _,
        ) => Replayed::Failed(Rejection::ServerUnavailable { server }),
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

/// What the body of an answer is.
pub(super) fn content_type(headers: &header::HeaderMap) -> Option<Box<str>> {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(Into::into)
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
    let content_type = content_type(answer.headers());
    match read_all(answer, MAX_REPLAYED_ANSWER).await {
        Ok(body) => Replayed::Whole { status, fields, content_type, body },
        Err(ReadError::TooLarge) => {
            tracing::warn!(server, "the answer to a call that was made again is too large to hold");
            Replayed::Failed(Rejection::Internal)
        }
        Err(ReadError::Broken(_)) => Replayed::Failed(Rejection::ServerUnavailable { server }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_of_another_server_session_is_another_one() {
        assert_eq!(asked_in(Some("a"), "alias"), asked_in(Some("a"), "alias"));
        assert_ne!(asked_in(Some("a"), "alias"), asked_in(Some("b"), "alias"));
        assert_ne!(asked_in(None, "alias"), asked_in(Some("b"), "alias"));
    }
}
