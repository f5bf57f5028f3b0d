//! Sessions of one process, bounded and expiring.

mod entry;
mod names;
mod recent;

use std::{
    future::Future,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use tokio::time::timeout;

use self::{
    entry::{Entry, Turn},
    names::Names,
    recent::Recent,
};
use super::{
    Found, MAX_SETTLED, NOTE_LIFE, OPEN_WAIT, OpenFailure, Opened, SETTLED_LIFE, ServerSession, StoreError,
    digest::{self, Digest},
    watch::{Watch, Watched},
};
use crate::{clock::UnixTime, exchange::SessionId};

/// Calls of all sessions whose server is remembered; those not asked for longest are forgotten first.
const MAX_NOTES: usize = 65_536;

/// Sessions in this process's memory. `make bench-scale` tells what one needs.
#[derive(Debug)]
pub struct Memory {
    sessions: Recent<SessionId, Arc<Entry>>,
    /// Apart from the others, so that new sessions cannot push a revocation out.
    revoked: Recent<SessionId, ()>,
    settled: Recent<(SessionId, Digest), ()>,
    /// By the request's id, hashed.
    running: Recent<(SessionId, u64), Arc<str>>,
    hasher: RandomState,
    servers: Names,
    watched: Arc<Watched>,
    clock: fn() -> UnixTime,
}

impl Memory {
    pub(super) fn new(limit: u64, clock: fn() -> UnixTime) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            sessions: Recent::new(limit, clock),
            revoked: Recent::new(limit, clock),
            settled: Recent::new(MAX_SETTLED, clock),
            running: Recent::new(MAX_NOTES, clock),
            hasher: RandomState::new(),
            servers: Names::default(),
            watched: Arc::default(),
            clock,
        }
    }

    pub(super) fn find(&self, session: SessionId, server: &str) -> Found {
        if self.revoked.has(&session) {
            return Found::Revoked;
        }
        let entry = self.sessions.get(&session);
        entry.and_then(|entry| entry.state().session(server)).map_or(Found::Missing, Found::Session)
    }

    pub(super) async fn open<E>(
        &self,
        session: SessionId,
        expires: UnixTime,
        server: &str,
        lost: Option<&str>,
        opener: impl Future<Output = Result<ServerSession, E>>,
    ) -> Result<Opened, OpenFailure<E>> {
        if self.revoked.has(&session) {
            return Ok(Opened { session: None, stray: None });
        }
        let entry = self.entry(session, expires);
        let place = Place::at(&entry, self.servers.shared(server));
        let _turn = timeout(OPEN_WAIT, place.turn.lock()).await.map_err(|_elapsed| StoreError::Busy)?;
        if let Some(found) = entry.state().session(server).filter(|found| found.outlives(lost)) {
            return Ok(Opened { session: Some(found), stray: None });
        }
        let opened = opener.await.map_err(OpenFailure::Opener)?;
        let mut state = entry.state();
        // looked at with the lock held: a revocation is written first and then takes what stands here
        if self.revoked.has(&session) {
            return Ok(Opened { session: None, stray: Some(opened) });
        }
        state.set(server, opened.clone());
        drop(state);
        self.watched.changed(session);
        Ok(Opened { session: Some(opened), stray: None })
    }

    pub(super) fn revoke(&self, session: SessionId, expires: UnixTime) -> Vec<(Box<str>, ServerSession)> {
        self.revoked.insert(session, (), expires);
        let entry = self.sessions.remove(&session);
        self.watched.changed(session);
        entry.map(|entry| entry.state().end()).unwrap_or_default()
    }

    pub(super) fn settle(&self, session: SessionId, alias: &str) -> bool {
        let end = (self.clock)().plus(SETTLED_LIFE);
        self.settled.value_or((session, digest::of(alias)), end, || ()).1
    }

    pub(super) fn note(&self, session: SessionId, request: &str, server: &str) {
        let end = (self.clock)().plus(NOTE_LIFE);
        self.running.insert(self.request(session, request), self.servers.shared(server), end);
    }

    pub(super) fn running(&self, session: SessionId, request: &str) -> Option<Box<str>> {
        self.running.get(&self.request(session, request)).map(|server| (&*server).into())
    }

    pub(super) fn set_level(&self, session: SessionId, expires: UnixTime, level: &str) {
        if !self.revoked.has(&session) {
            self.entry(session, expires).state().level = Some(level.into());
        }
    }

    pub(super) fn level(&self, session: SessionId) -> Option<Box<str>> {
        self.sessions.get(&session)?.state().level.clone()
    }

    pub(super) fn servers(&self, session: SessionId) -> Vec<(Box<str>, ServerSession)> {
        self.sessions.get(&session).map(|entry| entry.state().sessions()).unwrap_or_default()
    }

    pub(super) fn watch(&self, session: SessionId) -> Watch {
        Watch::new(&self.watched, session, None)
    }

    fn entry(&self, session: SessionId, expires: UnixTime) -> Arc<Entry> {
        self.sessions.value_or(session, expires, Arc::default).0
    }

    /// One key for each id of a request, however it is spelled. Nobody outside can make two alike.
    fn request(&self, session: SessionId, id: &str) -> (SessionId, u64) {
        (session, self.hasher.hash_one(&*digest::canonical(id)))
    }
}

/// The place in line of a call that wants a session at a server to be opened.
struct Place<'e> {
    entry: &'e Entry,
    server: Arc<str>,
    turn: Turn,
}

impl<'e> Place<'e> {
    fn at(entry: &'e Entry, server: Arc<str>) -> Self {
        let turn = entry.state().turn(&server);
        Self { entry, server, turn }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        self.entry.state().done(&self.server, turn);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_answer_is_remembered_however_many_there_were_before() {
        let memory = Memory::new(8, || UnixTime(0));
        let session = SessionId([7; 16]);
        for number in 0..2 * MAX_SETTLED {
            assert!(memory.settle(session, &number.to_string()));
        }
        assert!(!memory.settle(session, &(2 * MAX_SETTLED - 1).to_string()));
    }

    #[test]
    fn calls_are_remembered_up_to_a_number_of_them() {
        let memory = Memory::new(8, || UnixTime(0));
        let session = SessionId([7; 16]);
        for number in 0..2 * MAX_NOTES {
            memory.note(session, &number.to_string(), "a/b");
        }
        let known = |number: &usize| memory.running(session, &number.to_string()).is_some();
        assert!(known(&(2 * MAX_NOTES - 1)));
        assert!((0..2 * MAX_NOTES).filter(known).count() <= MAX_NOTES);
    }

    #[test]
    fn what_has_ended_is_not_found_and_its_memory_is_free() {
        thread_local!(static NOW: Cell<u64> = const { Cell::new(100) });
        let memory = Memory::new(8, || UnixTime(NOW.get()));
        let (early, late) = (SessionId([1; 16]), SessionId([2; 16]));
        memory.set_level(early, UnixTime(110), "error");
        memory.revoke(late, UnixTime(110));
        assert_eq!((memory.level(early).as_deref(), memory.find(late, "")), (Some("error"), Found::Revoked));
        NOW.set(110);
        assert_eq!((memory.level(early), memory.find(late, "")), (None, Found::Missing));
        NOW.set(200);
        memory.set_level(late, UnixTime(300), "error");
        assert_eq!(memory.sessions.len(), 1);
    }
}
