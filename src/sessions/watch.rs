//! Who waits for changes of a gateway session's server sessions: told at once of those in this process, and by looking
//! at Redis of those in other replicas.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{link::Link, redis};
use crate::exchange::SessionId;

/// Longest time between two looks at Redis of one who watches; half of it is the least.
pub const WATCH_POLL: Duration = Duration::from_secs(3);

/// The sessions that somebody in this process watches, and how many do.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<HashMap<SessionId, (usize, watch::Sender<()>)>>);

impl Watched {
    /// Wakes who watches `session`.
    pub(super) fn changed(&self, session: SessionId) {
        if let Some((_, watchers)) = self.lock().get(&session) {
            watchers.send_replace(());
        }
    }

    fn join(&self, session: SessionId) -> watch::Receiver<()> {
        let mut watched = self.lock();
        let (count, watchers) = watched.entry(session).or_default();
        *count += 1;
        watchers.subscribe()
    }

    fn leave(&self, session: SessionId) {
        if let Entry::Occupied(mut watchers) = self.lock().entry(session) {
            let (count, _) = watchers.get_mut();
            *count -= 1;
            if *count == 0 {
                watchers.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, (usize, watch::Sender<()>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the server sessions of one gateway session.
#[derive(Debug)]
pub struct Watch {
    watched: Arc<Watched>,
    session: SessionId,
    here: watch::Receiver<()>,
    elsewhere: Option<Elsewhere>,
}

/// What other replicas do.
#[derive(Debug)]
struct Elsewhere {
    link: Arc<Link>,
    next: Instant,
    /// Fingerprint of what was there; absent until the first look, which therefore wakes.
    seen: Option<u64>,
}

impl Watch {
    /// `link`: to the Redis that other replicas share.
    pub(super) fn new(watched: &Arc<Watched>, session: SessionId, link: Option<&Arc<Link>>) -> Self {
        let link = link.map(Arc::clone);
        Self {
            watched: Arc::clone(watched),
            session,
            here: watched.join(session),
            elsewhere: link.map(|link| Elsewhere { link, next: soon(), seen: None }),
        }
    }

    /// Waits until [`super::Store::servers`] may have another answer, or the gateway session has ended; may wake too
    /// often, never too late by more than [`WATCH_POLL`]. Nothing is lost if it is dropped and called again.
    pub async fn changed(&mut self) {
        let Some(elsewhere) = &mut self.elsewhere else {
            return changed(&mut self.here).await;
        };
        tokio::select! {
            () = changed(&mut self.here) => {}
            () = elsewhere.changed(self.session) => {}
        }
    }
}

async fn changed(here: &mut watch::Receiver<()>) {
    if here.changed().await.is_err() {
        std::future::pending::<()>().await; // never: the sender stays for as long as there is a receiver
    }
}

impl Elsewhere {
    async fn changed(&mut self, session: SessionId) {
        loop {
            sleep_until(self.next).await;
            self.next = soon();
            match redis::fingerprint(&self.link, session).await {
                Ok(now) if self.seen == Some(now) => {}
                Ok(now) => {
                    self.seen = Some(now);
                    return;
                }
                Err(error) => tracing::debug!(%error, "no look at a session"),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.leave(self.session);
    }
}

/// By chance, so that many do not look at once.
fn soon() -> Instant {
    Instant::now() + WATCH_POLL.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_watches_any_more_is_forgotten() {
        let watched = Arc::new(Watched::default());
        let session = SessionId([7; 16]);
        let [one, other] = [(); 2].map(|()| Watch::new(&watched, session, None));
        drop(one);
        assert_eq!(watched.lock().len(), 1);
        drop(other);
        assert_eq!(watched.lock().len(), 0);
        watched.changed(session);
        assert_eq!(watched.lock().len(), 0);
    }
}
