//! The merged stream of a session: which lists have changed, and what its servers send unasked.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::Interval,
};

use super::{
    bookmark::Bookmark,
    follower::Followed,
    followers::Followers,
    listener::Listener,
    seats::{Kind, Seat, Seats},
};
use crate::{
    broker::{
        app::{Endpoint, reply::event_stream},
        limits::{FEED, KEEP_ALIVE},
        listings::Listings,
    },
    clock::UnixTime,
    mcp::{Rejection, Revision, sse},
    sessions::Found,
};

/// What is sent when a list has changed, in the order of [`Bookmark::know`].
const CHANGED: [&[u8]; 3] = [
    br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
    br#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#,
    br#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#,
];

impl Endpoint {
    /// Opens the merged stream; one that the session had before ends, so that nothing is sent twice.
    ///
    /// A client that has come back from `before` is told at once of the lists that are others now.
    pub(super) fn merged(&self, listener: Listener, before: Option<Bookmark>) -> Result<Response, Rejection> {
        let seat = Seats::take(&self.seats, listener.session.id, Kind::Merged, &self.stop)?;
        let mut listings = self.listings.clone();
        let now = versions(&listings.borrow_and_update(), &listener.virtual_servers);
        let bookmark = before.unwrap_or_else(|| Bookmark::new(listener.session.id, now));
        let (feed, followed) = mpsc::channel(FEED);
        let followers = Followers {
            listener: listener.clone(),
            pace: self.pace,
            began: bookmark.clone(),
            feed,
            permits: Arc::clone(&self.following),
            tasks: self.tasks.clone(),
            end: seat.end.clone(),
        };
        self.tasks.spawn(followers.run());
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        keep_alive.reset();
        let mut stream =
            Merged { due: VecDeque::new(), listener, bookmark, listings, followed, keep_alive, seat };
        stream.compare(now);
        if stream.due.is_empty() {
            stream.prime();
        }
        let chunks = futures_util::stream::unfold(stream, |mut stream| async move {
            let chunk = stream.next().await?;
            Some((Ok::<_, Infallible>(chunk), stream))
        });
        Ok(event_stream(Body::from_stream(chunks)))
    }
}

fn versions(listings: &Listings, virtual_servers: &[Box<str>]) -> [u64; 3] {
    let now = listings.of_scope(virtual_servers);
    [now.tools, now.prompts, now.resources]
}

/// One open stream. What is not sent yet is only ever the newest change of each list; what comes from servers waits at
/// them.
#[derive(Debug)]
struct Merged {
    /// What is sent next: an event for each list at most.
    due: VecDeque<Bytes>,
    listener: Listener,
    /// Where the client stands after what is due.
    bookmark: Bookmark,
    listings: watch::Receiver<Listings>,
    followed: mpsc::Receiver<Followed>,
    keep_alive: Interval,
    seat: Seat,
}

impl Merged {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(due) = self.due.pop_front() {
                return Some(due);
            }
            let left = (self.listener.shared.clock)().until(UnixTime(self.listener.session.expires));
            tokio::select! {
                () = self.seat.end.cancelled() => return None,
                () = tokio::time::sleep(left) => return None,
                changed = self.listings.changed() => {
                    changed.ok()?;
                    let now = versions(&self.listings.borrow_and_update(), &self.listener.virtual_servers);
                    self.compare(now);
                }
                followed = self.followed.recv() => self.take(followed?),
                _ = self.keep_alive.tick() => {
                    // the session may have been ended at another replica
                    let found = self.listener.shared.store.find(self.listener.session.id, "").await;
                    return (!matches!(found, Ok(Found::Revoked))).then_some(Bytes::from_static(sse::KEEP_ALIVE));
                }
            }
        }
    }

    /// Tells of each list that is another one than the client knows.
    fn compare(&mut self, now: [u64; 3]) {
        for (list, (now, changed)) in now.into_iter().zip(CHANGED).enumerate() {
            // one by one: the client may leave between two events
            if self.bookmark.know(list, now) {
                self.send(changed);
            }
        }
    }

    /// Passes on what a server has sent.
    fn take(&mut self, followed: Followed) {
        let is_news = self.bookmark.note(&followed.server, followed.mark.as_deref());
        match followed.message {
            Some(message) => self.send(&message),
            None if is_news => self.prime(),
            None => {}
        }
    }

    fn send(&mut self, message: &[u8]) {
        let id = self.bookmark.seal(&self.listener.shared.sealer);
        self.due.push_back(sse::event(message, id.as_deref()).into());
    }

    /// Says where the client stands. Older clients read empty data as JSON, and are told with the next message.
    fn prime(&mut self) {
        if self.listener.session.revision >= Revision::V2025_11_25
            && let Some(id) = self.bookmark.seal(&self.listener.shared.sealer)
        {
            self.due.push_back(format!("id: {id}\ndata:\n\n").into());
        }
    }
}
