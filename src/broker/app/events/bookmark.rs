//! How far a client has come in the merged stream of its session: the id of each event in it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::{
    credentials::Sealer,
    exchange::{MAX_PLACE_BYTES, MAX_PLACES, Place, SessionId},
    sessions::ServerSession,
};

/// Whoever comes back with it, to any replica, is told which lists have changed, and is served on by each server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bookmark(Place);

impl Bookmark {
    /// At the beginning.
    pub(super) fn new(session: SessionId, versions: [u64; 3]) -> Self {
        Self(Place { session, versions, servers: Vec::new() })
    }

    /// One of `session`, from the id of an event; any other is none.
    pub(super) fn open(sealer: &Sealer, session: SessionId, id: &str) -> Option<Self> {
        sealer.open_place(id.as_bytes(), session).map(Self)
    }

    /// As the id of an event; `None` without a key.
    pub(super) fn seal(&self, sealer: &Sealer) -> Option<String> {
        Some(sealer.seal_place(&self.0)).filter(|id| !id.is_empty())
    }

    /// Notes which version of a list the client knows of (0: tools, 1: prompts, 2: resources); whether that is news.
    pub(super) fn know(&mut self, list: usize, version: u64) -> bool {
        let known = self.0.versions.get_mut(list);
        known.is_some_and(|known| std::mem::replace(known, version) != version)
    }

    /// The last event of `server` that the client has, as a [`Mark`] writes it.
    pub(super) fn mark(&self, server: &str) -> Option<&str> {
        self.0.servers.iter().find(|(name, _)| **name == *server).map(|(_, mark)| &**mark)
    }

    /// Notes the last event of `server`; whether that is news. Of more than [`MAX_PLACES`] the longest unchanged goes:
    /// to such a server the client returns as if it had heard nothing.
    pub(super) fn note(&mut self, server: &str, mark: Option<&str>) -> bool {
        if self.mark(server) == mark {
            return false;
        }
        let servers = &mut self.0.servers;
        servers.retain(|(name, _)| **name != *server);
        servers.extend(mark.map(|mark| (server.into(), mark.into())));
        let surplus = servers.len().saturating_sub(MAX_PLACES);
        servers.drain(..surplus);
        true
    }
}

/// An event id of a server, written with the server session in which alone it means something.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    session: String,
}

impl Mark {
    pub(super) fn of(session: &ServerSession) -> Self {
        let mut hasher = DefaultHasher::new();
        session.id().hash(&mut hasher);
        Self { session: format!("{:016x}", hasher.finish()) }
    }

    /// `None`: longer than a client can be given back.
    pub(super) fn write(&self, event_id: &str) -> Option<Box<str>> {
        let mark = format!("{} {event_id}", self.session);
        (mark.len() <= MAX_PLACE_BYTES).then(|| mark.into())
    }

    /// `None`: of another session.
    pub(super) fn read<'m>(&self, mark: &'m str) -> Option<&'m str> {
        let (session, event_id) = mark.split_once(' ')?;
        (session == self.session).then_some(event_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Revision;

    #[test]
    fn the_newest_marks_are_kept_when_they_are_too_many() {
        let mut bookmark = Bookmark::new(SessionId([1; 16]), [0; 3]);
        for server in 0..MAX_PLACES {
            assert!(bookmark.note(&server.to_string(), Some("1")));
        }
        assert!(!bookmark.note("0", Some("1")));
        assert!(bookmark.note("0", Some("2")));
        assert!(bookmark.note("one more", Some("1")));
        assert_eq!(
            (bookmark.mark("0"), bookmark.mark("1"), bookmark.mark("2")),
            (Some("2"), None, Some("1"))
        );
        assert!(bookmark.note("0", None) && bookmark.mark("0").is_none());
        assert!(!bookmark.note("never heard of", None));
    }

    #[test]
    fn an_event_id_means_nothing_in_another_session_of_its_server() {
        let of = |id: &str| Mark::of(&ServerSession::new(id.as_bytes(), Revision::LATEST).unwrap());
        let mark = of("a").write("7 up").unwrap();
        assert_eq!(of("a").read(&mark), Some("7 up"));
        assert_eq!((of("b").read(&mark), of("a").read("7")), (None, None));
        assert!(!mark.contains("a ") && of("a").write(&"x".repeat(MAX_PLACE_BYTES)).is_none());
    }
}
