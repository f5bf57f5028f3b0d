//! The rest of an answer whose stream has ended early: asked for at the server that has begun it.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::Interval;

use super::{
    listener::Listener,
    seats::{Kind, Seat, Seats},
};
use crate::{
    broker::{
        app::{Endpoint, reply::event_stream},
        limits::KEEP_ALIVE,
    },
    clock::UnixTime,
    exchange::{Alias, Form, Origin, Rewriter, Rewritten},
    mcp::{Rejection, header, sse},
    sessions::{Found, ServerSession},
};

/// What is said where a server offers no stream on GET.
const ALLOW: &str = "POST, DELETE";

impl Endpoint {
    /// Opens the stream at the server from after the event that `alias` stands for, and passes on what it sends. Beside
    /// the merged stream, which stays as it is.
    ///
    /// To a client 404 says that its session with the gateway is lost, so what a server has lost is another status.
    pub(super) async fn relay(&self, listener: Listener, alias: Alias) -> Result<Response, Rejection> {
        let server = || alias.server.clone().into_string();
        let lost = || Rejection::StreamNotResumable { server: server() };
        let origin = listener.origin(&alias.server).ok_or_else(lost)?;
        HeaderValue::from_str(&alias.original).map_err(|_unsendable| lost())?;
        let session = match self.shared.store.find(alias.session, &alias.server).await {
            Err(error) => return Err(self.store_failed(&error)),
            Ok(Found::Revoked) => return Err(Rejection::UnknownSession),
            Ok(Found::Missing) => return Err(lost()),
            Ok(Found::Session(session)) => session,
        };
        let seat = Seats::take(&self.seats, alias.session, Kind::Relay, &self.stop)?;
        let opened = tokio::select! {
            () = seat.end.cancelled() => return Err(Rejection::UnknownSession),
            opened = listener.open(&origin.server, &session, Some(&alias.original)) => opened,
        };
        let response = opened.map_err(|error| {
            tracing::debug!(server = %alias.server, %error, "a stream was not resumed");
            Rejection::ServerUnavailable { server: server() }
        })?;
        let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        match response.status().as_u16() {
            200 if header::media_type_is(content_type, "text/event-stream") => {}
            405 => return Err(Rejection::VerbNotAllowed { allow: ALLOW }),
            408 | 409 | 425 | 429 | 500.. => return Err(Rejection::ServerUnavailable { server: server() }),
            _ => return Err(lost()),
        }
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        keep_alive.reset();
        let rewriter = Rewriter::new(origin.clone(), Form::EventStream);
        let relay = Relay {
            response: Some(response),
            rewriter,
            between: true,
            listener,
            origin,
            session,
            keep_alive,
            seat,
        };
        let pieces = futures_util::stream::unfold(relay, |mut relay| async move {
            let piece = relay.next().await?;
            Some((Ok::<_, Infallible>(piece), relay))
        });
        Ok(event_stream(Body::from_stream(pieces)))
    }
}

/// A stream of a server on its way to the client; nothing is held back but what a rewrite must see whole.
#[derive(Debug)]
struct Relay {
    /// `None`: it has ended, and so does this stream.
    response: Option<reqwest::Response>,
    rewriter: Rewriter,
    /// What was sent last has ended an event: a comment may follow.
    between: bool,
    listener: Listener,
    origin: Origin,
    session: ServerSession,
    keep_alive: Interval,
    seat: Seat,
}

impl Relay {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let response = self.response.as_mut()?;
            let left = (self.listener.shared.clock)().until(UnixTime(self.listener.session.expires));
            tokio::select! {
                () = self.seat.end.cancelled() => return None,
                () = tokio::time::sleep(left) => return None,
                piece = response.chunk() => {
                    let body = self.rewritten(piece.ok()?).await;
                    if !body.is_empty() {
                        self.between = body.ends_with(b"\n\n") || body.ends_with(b"\r\n\r\n");
                        return Some(body.into());
                    }
                }
                _ = self.keep_alive.tick() => {
                    // the session may have been ended at another replica
                    let found = self.listener.shared.store.find(self.listener.session.id, "").await;
                    if matches!(found, Ok(Found::Revoked)) {
                        return None;
                    }
                    // what it sees now; and no old state is kept alive
                    self.origin = self.listener.origin(self.origin.server.name.as_str())?;
                    *self.rewriter.origin() = self.origin.clone();
                    if self.between {
                        return Some(Bytes::from_static(sse::KEEP_ALIVE));
                    }
                }
            }
        }
    }

    /// What goes on of a piece, or at the end.
    async fn rewritten(&mut self, piece: Option<Bytes>) -> Vec<u8> {
        let is_end = piece.is_none();
        let Rewritten { body, refused } =
            self.rewriter.piece(&piece.unwrap_or_default(), is_end, &*self.listener.shared.sealer);
        for message in refused {
            self.listener.reply(&self.origin.server, &self.session, message).await;
        }
        if is_end {
            self.response = None;
        }
        body
    }
}
