//! The open event streams: so many in all, and for each session one merged stream and a few that were resumed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    broker::limits::{MAX_RELAYS, MAX_STREAMS},
    exchange::SessionId,
    mcp::Rejection,
};

/// The open streams of all sessions.
#[derive(Debug, Default)]
pub(in crate::broker::app) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    /// Of all streams so far; numbers them.
    opened: u64,
    open: usize,
    by_session: HashMap<SessionId, Vec<(u64, Kind, CancellationToken)>>,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything that is no answer. One for each session, or messages would go out twice: the newest one stays.
    Merged,
    /// The rest of one answer. [`MAX_RELAYS`] for each session.
    Relay,
}

/// An open stream's place among [`MAX_STREAMS`], free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    session: SessionId,
    number: u64,
    /// Cancelled when the stream has to end, and when it has ended.
    pub(super) end: CancellationToken,
}

impl Seats {
    /// Ends the streams of that session.
    pub(in crate::broker::app) fn end(&self, session: SessionId) {
        for (_, _, end) in self.lock().by_session.get(&session).into_iter().flatten() {
            end.cancel();
        }
    }

    /// A seat for one more stream; it ends with `parent` too.
    pub(super) fn take(
        seats: &Arc<Self>,
        session: SessionId,
        kind: Kind,
        parent: &CancellationToken,
    ) -> Result<Seat, Rejection> {
        let mut taken = seats.lock();
        let mine = taken.by_session.get(&session).map_or(&[][..], Vec::as_slice);
        let alike = mine.iter().filter(|(_, of, _)| *of == kind);
        let (full, limit) = match kind {
            Kind::Relay if alike.clone().count() >= MAX_RELAYS => (true, MAX_RELAYS),
            Kind::Merged if alike.clone().next().is_some() => (false, MAX_STREAMS), // takes its place
            Kind::Relay | Kind::Merged => (taken.open >= MAX_STREAMS, MAX_STREAMS),
        };
        if full {
            return Err(Rejection::TooManyStreams { limit });
        }
        if kind == Kind::Merged {
            alike.for_each(|(_, _, end)| end.cancel());
        }
        taken.opened += 1;
        taken.open += 1;
        let (number, end) = (taken.opened, parent.child_token());
        taken.by_session.entry(session).or_default().push((number, kind, end.clone()));
        drop(taken);
        Ok(Seat { seats: Arc::clone(seats), session, number, end })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end.cancel();
        let mut taken = self.seats.lock();
        taken.open = taken.open.saturating_sub(1);
        if let Some(mine) = taken.by_session.get_mut(&self.session) {
            mine.retain(|(number, _, _)| *number != self.number);
            if mine.is_empty() {
                taken.by_session.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, number: usize, kind: Kind) -> Result<Seat, Rejection> {
        let id = SessionId(u128::try_from(number).unwrap().to_be_bytes());
        Seats::take(seats, id, kind, &CancellationToken::new())
    }

    #[test]
    fn a_session_has_one_merged_stream_and_the_newest_one_stays() {
        let seats = Arc::new(Seats::default());
        let first = take(&seats, 7, Kind::Merged).unwrap();
        let relay = take(&seats, 7, Kind::Relay).unwrap();
        let second = take(&seats, 7, Kind::Merged).unwrap();
        assert!(first.end.is_cancelled() && !second.end.is_cancelled() && !relay.end.is_cancelled());
        drop(first);
        assert!(!second.end.is_cancelled());
        seats.end(second.session);
        assert!(second.end.is_cancelled() && relay.end.is_cancelled());
        drop((second, relay));
        let taken = seats.lock();
        assert!(taken.by_session.is_empty() && taken.open == 0);
    }

    #[test]
    fn a_stream_ends_with_what_it_is_part_of_and_tells_those_that_work_for_it() {
        let (seats, stop) = (Arc::new(Seats::default()), CancellationToken::new());
        let seat = Seats::take(&seats, SessionId([1; 16]), Kind::Merged, &stop).unwrap();
        let other = Seats::take(&seats, SessionId([2; 16]), Kind::Merged, &stop).unwrap();
        let end = other.end.clone();
        drop(other);
        assert!(end.is_cancelled() && !seat.end.is_cancelled());
        stop.cancel();
        assert!(seat.end.is_cancelled());
    }

    #[test]
    fn there_are_only_so_many_streams() {
        let seats = Arc::new(Seats::default());
        let mut open: Vec<Seat> =
            (0..MAX_STREAMS).map(|number| take(&seats, number, Kind::Merged).unwrap()).collect();
        assert!(take(&seats, MAX_STREAMS, Kind::Merged).is_err());
        assert!(take(&seats, 0, Kind::Relay).is_err());
        open.pop();
        assert!(take(&seats, MAX_STREAMS, Kind::Merged).is_ok());
    }

    #[test]
    fn a_session_resumes_only_so_many_streams() {
        let seats = Arc::new(Seats::default());
        let open: Vec<Seat> = (0..MAX_RELAYS).map(|_| take(&seats, 1, Kind::Relay).unwrap()).collect();
        assert!(take(&seats, 1, Kind::Relay).is_err());
        assert!(take(&seats, 2, Kind::Relay).is_ok());
        drop(open);
        assert!(take(&seats, 1, Kind::Relay).is_ok());
    }
}
