//! Sessions of one process, bounded and expiring.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::{Expiry, future::Cache, policy::EvictionPolicy};
use tokio::time::timeout;

use super::{Found, MAX_SERVERS, OPEN_WAIT, OpenFailure, Opened, ServerSession, StoreError};
use crate::{clock::UnixTime, exchange::SessionId};

/// Sessions in this process's memory: some 800 bytes for one that has called one server, 1.1 KB for three (measured).
#[derive(Debug)]
pub struct Memory {
    sessions: Cache<SessionId, Arc<Entry>>,
    /// Apart from the others, so that new sessions cannot push a revocation out.
    revoked: Cache<SessionId, UnixTime>,
}

impl Memory {
    pub(super) fn new(limit: u64, clock: fn() -> UnixTime) -> Self {
        let sessions = Cache::builder().max_capacity(limit).eviction_policy(EvictionPolicy::lru());
        let revoked = Cache::builder().max_capacity(limit).eviction_policy(EvictionPolicy::lru());
        Self {
            sessions: sessions.expire_after(AtEnd { clock, of: |entry: &Arc<Entry>| entry.expires }).build(),
            revoked: revoked.expire_after(AtEnd { clock, of: |expires: &UnixTime| *expires }).build(),
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
        Ok(Opened { session: Some(opened), stray: None })
    }

    pub(super) async fn revoke(
        &self,
        session: SessionId,
        expires: UnixTime,
    ) -> Vec<(Box<str>, ServerSession)> {
        self.revoked.insert(session, expires).await;
        let Some(entry) = self.sessions.remove(&session).await else { return Vec::new() };
        let held = std::mem::take(&mut *entry.servers());
        held.into_iter().filter_map(|held| Some((held.server, held.session?))).collect()
    }
}

/// One gateway session.
#[derive(Debug)]
struct Entry {
    expires: UnixTime,
    /// Oldest first, [`MAX_SERVERS`] at most. Never locked across a wait.
    servers: Mutex<Vec<Held>>,
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
        Self { expires, servers: Mutex::default() }
    }

    fn servers(&self) -> MutexGuard<'_, Vec<Held>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
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
