//! Sessions of one process, bounded and expiring.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::{Expiry, future::Cache, policy::EvictionPolicy};
use tokio::time::timeout;

use super::{
    Found, MAX_SERVERS, MAX_SETTLED, NOTE_LIFE, OPEN_WAIT, OpenFailure, Opened, SETTLED_LIFE, ServerSession,
    StoreError,
    digest::{self, Digest},
    watch::{Watch, Watched},
};
use crate::{clock::UnixTime, exchange::SessionId};

/// Calls of all sessions whose server is remembered; those not asked for longest are forgotten first.
const MAX_NOTES: u64 = 65_536;

/// Sessions in this process's memory: some 800 bytes for one that has called one server, 1.1 KB for three (measured).
#[derive(Debug)]
pub struct Memory {
    sessions: Cache<SessionId, Arc<Entry>>,
    /// Apart from the others, so that new sessions cannot push a revocation out.
    revoked: Cache<SessionId, UnixTime>,
    settled: Cache<(SessionId, Digest), ()>,
    running: Cache<(SessionId, Digest), Box<str>>,
    watched: Arc<Watched>,
}

impl Memory {
    pub(super) fn new(limit: u64, clock: fn() -> UnixTime) -> Self {
        let sessions = Cache::builder().max_capacity(limit).eviction_policy(EvictionPolicy::lru());
        let revoked = Cache::builder().max_capacity(limit).eviction_policy(EvictionPolicy::lru());
        // by default a full cache takes nothing new that is asked for but once
        let settled =
            Cache::builder().max_capacity(MAX_SETTLED as u64).eviction_policy(EvictionPolicy::lru());
        let running = Cache::builder().max_capacity(MAX_NOTES).eviction_policy(EvictionPolicy::lru());
        Self {
            sessions: sessions.expire_after(AtEnd { clock, of: |entry: &Arc<Entry>| entry.expires }).build(),
            revoked: revoked.expire_after(AtEnd { clock, of: |expires: &UnixTime| *expires }).build(),
            settled: settled.time_to_live(SETTLED_LIFE).build(),
            running: running.time_to_live(NOTE_LIFE).build(),
            watched: Arc::default(),
        }
    }

    pub(super) async fn find(&self, session: SessionId, server: &str) -> Found {
        if self.revoked.contains_key(&session) {
            return Found::Revoked;
        }
        let entry = self.sessions.get(&session).await;
        entry.and_then(|entry| entry.session(server)).map_or(Found::Missing, Found::Session)
    }

    pub(super) async fn open<E>(
        &self,
        session: SessionId,
        expires: UnixTime,
        server: &str,
        lost: Option<&str>,
        opener: impl Future<Output = Result<ServerSession, E>>,
    ) -> Result<Opened, OpenFailure<E>> {
        if self.revoked.contains_key(&session) {
            return Ok(Opened { session: None, stray: None });
        }
        let entry = self.sessions.get_with(session, async { Arc::new(Entry::new(expires)) }).await;
        let turn = entry.turn(server);
        let _turn = timeout(OPEN_WAIT, turn.lock()).await.map_err(|_elapsed| StoreError::Busy)?;
        if let Some(found) = entry.session(server).filter(|found| found.outlives(lost)) {
            return Ok(Opened { session: Some(found), stray: None });
        }
        let opened = opener.await.map_err(OpenFailure::Opener)?;
        let mut servers = entry.servers();
        // looked at with the lock held: a revocation is written first and then takes what stands here
        if self.revoked.contains_key(&session) {
            return Ok(Opened { session: None, stray: Some(opened) });
        }
        if let Some(held) = servers.iter_mut().find(|held| &*held.server == server) {
            held.session = Some(opened.clone());
        }
        drop(servers);
        self.watched.changed(session);
        Ok(Opened { session: Some(opened), stray: None })
    }

    pub(super) async fn revoke(
        &self,
        session: SessionId,
        expires: UnixTime,
    ) -> Vec<(Box<str>, ServerSession)> {
        self.revoked.insert(session, expires).await;
        let entry = self.sessions.remove(&session).await;
        self.watched.changed(session);
        let Some(entry) = entry else { return Vec::new() };
        let held = std::mem::take(&mut *entry.servers());
        held.into_iter().filter_map(|held| Some((held.server, held.session?))).collect()
    }

    pub(super) async fn settle(&self, session: SessionId, alias: &str) -> bool {
        self.settled.entry((session, digest::of(alias))).or_insert(()).await.is_fresh()
    }

    pub(super) async fn note(&self, session: SessionId, request: &str, server: &str) {
        self.running.insert((session, digest::of_id(request)), server.into()).await;
    }

    pub(super) async fn running(&self, session: SessionId, request: &str) -> Option<Box<str>> {
        self.running.get(&(session, digest::of_id(request))).await
    }

    pub(super) async fn set_level(&self, session: SessionId, expires: UnixTime, level: &str) {
        if !self.revoked.contains_key(&session) {
            let entry = self.sessions.get_with(session, async { Arc::new(Entry::new(expires)) }).await;
            *entry.level() = Some(level.into());
        }
    }

    pub(super) async fn level(&self, session: SessionId) -> Option<Box<str>> {
        self.sessions.get(&session).await?.level().clone()
    }

    pub(super) async fn servers(&self, session: SessionId) -> Vec<(Box<str>, ServerSession)> {
        let Some(entry) = self.sessions.get(&session).await else { return Vec::new() };
        let held = entry.servers();
        held.iter().filter_map(|held| Some((held.server.clone(), held.session.clone()?))).collect()
    }

    pub(super) fn watch(&self, session: SessionId) -> Watch {
        Watch::new(&self.watched, session, None)
    }
}

/// One gateway session.
#[derive(Debug)]
struct Entry {
    expires: UnixTime,
    /// Oldest first, [`MAX_SERVERS`] at most. Never locked across a wait.
    servers: Mutex<Vec<Held>>,
    /// The log level, once it is set.
    level: Mutex<Option<Box<str>>>,
}

/// The session at one server.
#[derive(Debug)]
struct Held {
    server: Box<str>,
    session: Option<ServerSession>,
    /// Held by the call that opens it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Entry {
    fn new(expires: UnixTime) -> Self {
        Self { expires, servers: Mutex::default(), level: Mutex::default() }
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Held>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn level(&self) -> MutexGuard<'_, Option<Box<str>>> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, server: &str) -> Option<ServerSession> {
        self.servers().iter().find(|held| &*held.server == server)?.session.clone()
    }

    fn turn(&self, server: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut servers = self.servers();
        if let Some(held) = servers.iter().find(|held| &*held.server == server) {
            return Arc::clone(&held.turn);
        }
        if servers.len() >= MAX_SERVERS {
            servers.remove(0);
        }
        let turn = Arc::default();
        servers.push(Held { server: server.into(), session: None, turn: Arc::clone(&turn) });
        turn
    }
}

/// Entries end with the gateway session they belong to.
struct AtEnd<V> {
    clock: fn() -> UnixTime,
    of: fn(&V) -> UnixTime,
}

impl<V> Expiry<SessionId, V> for AtEnd<V> {
    fn expire_after_create(&self, _session: &SessionId, value: &V, _created: Instant) -> Option<Duration> {
        Some((self.clock)().until((self.of)(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_remembered_however_many_there_were_before() {
        let memory = Memory::new(8, || UnixTime(0));
        let session = SessionId([7; 16]);
        for number in 0..2 * MAX_SETTLED {
            assert!(memory.settle(session, &number.to_string()).await);
        }
        memory.settled.run_pending_tasks().await;
        assert!(!memory.settle(session, &(2 * MAX_SETTLED - 1).to_string()).await);
    }
}
