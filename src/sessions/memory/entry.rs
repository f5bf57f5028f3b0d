//! What is kept of one gateway session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sessions::{MAX_SERVERS, ServerSession};

/// One gateway session.
#[derive(Debug, Default)]
pub(super) struct Entry(Mutex<State>);

/// Never locked across a wait.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Oldest first, [`MAX_SERVERS`] at most.
    servers: Vec<Held>,
    /// The log level, once it is set.
    pub(super) level: Option<Box<str>>,
}

/// The session at one server.
#[derive(Debug)]
struct Held {
    server: Arc<str>,
    session: Option<ServerSession>,
    /// While there are calls that open it, or wait for one that does.
    turn: Option<Turn>,
}

/// Held by the call that opens a session at a server.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

impl Entry {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn session(&self, server: &str) -> Option<ServerSession> {
        self.servers.iter().find(|held| &*held.server == server)?.session.clone()
    }

    /// Whose turn it is to open a session at `server`. To be given back by [`State::done`].
    pub(super) fn turn(&mut self, server: &Arc<str>) -> Turn {
        if let Some(held) = self.held(server) {
            return Arc::clone(held.turn.get_or_insert_default());
        }
        if self.servers.len() >= MAX_SERVERS {
            self.servers.remove(0);
        }
        let turn = Turn::default();
        // most sessions have one server, or few
        self.servers.reserve_exact(usize::from(self.servers.len() < 4));
        let held = Held { server: Arc::clone(server), session: None, turn: Some(Arc::clone(&turn)) };
        self.servers.push(held);
        turn
    }

    /// Gives back what [`State::turn`] gave: with the last one goes what it needs.
    pub(super) fn done(&mut self, server: &str, turn: Turn) {
        if let Some(held) = self.held(server)
            && held.turn.as_ref().is_some_and(|its| Arc::ptr_eq(its, &turn))
        {
            drop(turn);
            held.turn.take_if(|turn| Arc::strong_count(turn) == 1);
        }
    }

    /// The session at a server that is held.
    pub(super) fn set(&mut self, server: &str, session: ServerSession) {
        if let Some(held) = self.held(server) {
            held.session = Some(session);
        }
    }

    pub(super) fn sessions(&self) -> Vec<(Box<str>, ServerSession)> {
        self.servers.iter().filter_map(|held| Some(((&*held.server).into(), held.session.clone()?))).collect()
    }

    /// From now on there is none.
    pub(super) fn end(&mut self) -> Vec<(Box<str>, ServerSession)> {
        let sessions = self.sessions();
        self.servers.clear();
        sessions
    }

    fn held(&mut self, server: &str) -> Option<&mut Held> {
        self.servers.iter_mut().find(|held| &*held.server == server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_lasts_until_the_last_one_that_took_it_is_done() {
        let (entry, server) = (Entry::default(), Arc::from("a/b"));
        let one = entry.state().turn(&server);
        let other = entry.state().turn(&server);
        assert!(Arc::ptr_eq(&one, &other));
        entry.state().done(&server, one);
        let third = entry.state().turn(&server);
        assert!(Arc::ptr_eq(&third, &other));
        entry.state().done(&server, other);
        entry.state().done(&server, third);
        assert!(entry.state().servers[0].turn.is_none());
    }
}
