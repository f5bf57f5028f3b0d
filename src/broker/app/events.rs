//! GET: the event stream on which a client hears that its list of tools has changed.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::header::ACCEPT;
use tokio::{sync::watch, time::Interval};
use tokio_util::sync::CancellationToken;

use super::{
    Endpoint,
    head::single,
    reply::{Refused, event_stream},
};
use crate::{
    broker::{
        Shared,
        limits::{KEEP_ALIVE, MAX_STREAMS},
        listings::Listings,
    },
    clock::UnixTime,
    exchange::{Session, SessionId},
    mcp::{Rejection, Revision, header, sse},
    sessions::Found,
};

const CHANGED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

impl Endpoint {
    /// Opens the stream of a session; one that it had before ends, so that nothing is sent twice.
    ///
    /// The id of each event says which list the client knows of. A client that comes back with one
    /// (`Last-Event-ID`), to this replica or another, is told at once if that list is not the current one.
    pub(super) async fn events(&self, request: Request) -> Result<Response, Refused> {
        let fields = request.headers();
        let head = self.head(fields)?;
        let accepts =
            fields.get_all(ACCEPT).iter().any(|value| header::accepts(value.as_bytes(), "text/event-stream"));
        if !accepts {
            return Err(Rejection::NotAcceptable { needed: "text/event-stream" }.into());
        }
        head.check_revision()?;
        let session = self.session(&head).await?.ok_or(Rejection::MissingSession)?.clone();
        head.scope(Some(&session))?;
        let last_event_id = single(fields, header::LAST_EVENT_ID)?;
        let mut listings = self.listings.clone();
        let scope = head.limited_to(Some(&session));
        let now = listings.borrow_and_update().of_scope(&scope);
        let mut first = Vec::new();
        if last_event_id.is_some_and(|known| known != event_id(now).as_bytes()) {
            first = sse::event(CHANGED, Some(&event_id(now)));
        } else if session.revision >= Revision::V2025_11_25 {
            first = format!("id: {}\ndata:\n\n", event_id(now)).into_bytes(); // older clients read empty data as JSON
        }
        let place = Streams::open(&self.streams, session.id)
            .ok_or(Rejection::TooManyStreams { limit: MAX_STREAMS })?;
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        keep_alive.reset();
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        let stream = Stream { first, shared, session, scope, known: now, listings, keep_alive, place, stop };
        let chunks = futures_util::stream::unfold(stream, |mut stream| async move {
            let chunk = stream.next().await?;
            Some((Ok::<_, Infallible>(chunk), stream))
        });
        Ok(event_stream(Body::from_stream(chunks)))
    }
}

fn event_id(number: u64) -> String {
    format!("{number:016x}")
}

/// One open stream. What is not sent yet is only ever the newest change.
#[derive(Debug)]
struct Stream {
    /// What is sent at once.
    first: Vec<u8>,
    shared: Shared,
    session: Session,
    /// Virtual servers that limit what the client sees.
    scope: Vec<Box<str>>,
    /// The list that the client has been told of.
    known: u64,
    listings: watch::Receiver<Listings>,
    keep_alive: Interval,
    place: Place,
    stop: CancellationToken,
}

impl Stream {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first).into());
        }
        loop {
            let left = (self.shared.clock)().until(UnixTime(self.session.expires));
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = self.place.end.cancelled() => return None,
                () = tokio::time::sleep(left) => return None,
                changed = self.listings.changed() => {
                    changed.ok()?;
                    let now = self.listings.borrow_and_update().of_scope(&self.scope);
                    if now != self.known {
                        self.known = now;
                        return Some(sse::event(CHANGED, Some(&event_id(now))).into());
                    }
                }
                _ = self.keep_alive.tick() => {
                    // the session may have been ended at another replica
                    let found = self.shared.store.find(self.session.id, "").await;
                    return (!matches!(found, Ok(Found::Revoked))).then_some(Bytes::from_static(sse::KEEP_ALIVE));
                }
            }
        }
    }
}

/// The open streams, at most one for each session.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    opened: u64,
    by_session: HashMap<SessionId, (u64, CancellationToken)>,
}

/// An open stream's place among [`MAX_STREAMS`], free again when it is dropped.
#[derive(Debug)]
struct Place {
    streams: Arc<Streams>,
    session: SessionId,
    number: u64,
    end: CancellationToken,
}

impl Streams {
    /// Ends the stream of that session.
    pub(super) fn end(&self, session: SessionId) {
        if let Some((_, end)) = self.lock().by_session.get(&session) {
            end.cancel();
        }
    }

    fn open(streams: &Arc<Self>, session: SessionId) -> Option<Place> {
        let mut open = streams.lock();
        if open.by_session.len() >= MAX_STREAMS && !open.by_session.contains_key(&session) {
            return None;
        }
        open.opened += 1;
        let (number, end) = (open.opened, CancellationToken::new());
        if let Some((_, before)) = open.by_session.insert(session, (number, end.clone())) {
            before.cancel();
        }
        drop(open);
        Some(Place { streams: Arc::clone(streams), session, number, end })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if open.by_session.get(&self.session).is_some_and(|(number, _)| *number == self.number) {
            open.by_session.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_stream_and_the_newest_one_stays() {
        let (streams, id) = (Arc::new(Streams::default()), SessionId([7; 16]));
        let first = Streams::open(&streams, id).unwrap();
        let second = Streams::open(&streams, id).unwrap();
        assert!(first.end.is_cancelled() && !second.end.is_cancelled());
        drop(first);
        streams.end(id);
        assert!(second.end.is_cancelled());
        drop(second);
        assert!(streams.lock().by_session.is_empty());
    }

    #[test]
    fn there_are_only_so_many_streams() {
        let streams = Arc::new(Streams::default());
        let id = |number: usize| SessionId(u128::try_from(number).unwrap().to_be_bytes());
        let mut open: Vec<Place> =
            (0..MAX_STREAMS).map(|number| Streams::open(&streams, id(number)).unwrap()).collect();
        assert!(Streams::open(&streams, id(MAX_STREAMS)).is_none());
        open.pop();
        assert!(Streams::open(&streams, id(MAX_STREAMS)).is_some());
    }
}
