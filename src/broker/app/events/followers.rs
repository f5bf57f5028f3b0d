//! The followers of one merged stream: one for each server session of the gateway session, as these come and go.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    bookmark::{Bookmark, Mark},
    follower::{Followed, Follower},
    listener::Listener,
};
use crate::{
    broker::limits::{MAX_FOLLOWERS, Pace, REALIGN},
    clock::UnixTime,
    sessions::{Found, ServerSession},
};

/// Keeps a merged stream's followers, until the stream ends.
#[derive(Debug)]
pub(super) struct Followers {
    pub(super) listener: Listener,
    pub(super) pace: Pace,
    /// How far the client had come when the stream began.
    pub(super) began: Bookmark,
    pub(super) feed: mpsc::Sender<Followed>,
    /// Followers of all streams, at once.
    pub(super) permits: Arc<Semaphore>,
    pub(super) tasks: TaskTracker,
    pub(super) end: CancellationToken,
}

/// A server session that is followed, or was until there was nothing more to follow.
#[derive(Debug)]
struct Running {
    session: ServerSession,
    _stop: DropGuard,
}

impl Followers {
    /// Runs until the stream ends or the session expires, and then ends all followers.
    pub(super) async fn run(self) {
        let session = &self.listener.session;
        let left = (self.listener.shared.clock)().until(UnixTime(session.expires));
        let mut watch = self.listener.shared.store.watch(session.id);
        let mut realign = tokio::time::interval(REALIGN);
        realign.reset();
        let mut running = HashMap::new();
        let aligning = async {
            loop {
                self.align(&mut running).await;
                tokio::select! {
                    () = watch.changed() => {}
                    // what a scope shows may have changed, or there is room for a follower again
                    _ = realign.tick() => {}
                }
            }
        };
        tokio::select! {
            () = self.end.cancelled() => {}
            () = tokio::time::sleep(left) => {}
            () = aligning => {}
        }
    }

    /// Starts and ends followers, so that they are those of the session's server sessions.
    async fn align(&self, running: &mut HashMap<Box<str>, Running>) {
        let store = &self.listener.shared.store;
        let servers = match store.servers(self.listener.session.id).await {
            Ok(servers) => servers,
            Err(error) => {
                tracing::debug!(%error, "server sessions are not known now; those that are followed still are");
                return;
            }
        };
        if servers.is_empty()
            && let Ok(Found::Revoked) = store.find(self.listener.session.id, "").await
        {
            self.end.cancel(); // ended at another replica
        }
        let wanted: HashMap<Box<str>, ServerSession> =
            servers.into_iter().filter(|(server, session)| self.has_stream(server, session)).collect();
        running.retain(|server, running| wanted.get(server) == Some(&running.session));
        for (server, session) in wanted {
            if running.len() >= MAX_FOLLOWERS {
                break;
            }
            if !running.contains_key(&server)
                && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
            {
                let stop = self.start(&server, &session, permit);
                running.insert(server, Running { session, _stop: stop });
            }
        }
    }

    /// Whether the client sees the server, and the server has a stream for that session.
    fn has_stream(&self, server: &str, session: &ServerSession) -> bool {
        session.id().is_some()
            && self.listener.origin(server).is_some_and(|origin| origin.server.offers_stream)
    }

    fn start(&self, server: &str, session: &ServerSession, permit: OwnedSemaphorePermit) -> DropGuard {
        let last_event_id = self.began.mark(server).and_then(|mark| Mark::of(session).read(mark));
        let follower = Follower {
            listener: self.listener.clone(),
            server: server.into(),
            session: session.clone(),
            last_event_id: last_event_id.map(Into::into),
            pace: self.pace,
            feed: self.feed.clone(),
        };
        let stop = self.end.child_token();
        let stopped = stop.clone().cancelled_owned();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = follower.run() => {}
            }
            drop(permit);
        });
        stop.drop_guard()
    }
}
