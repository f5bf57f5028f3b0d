//! What is still to be written, in order; never two writes of one target at a time, and failures wait for their turn.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::controller::write::{Target, Write};

/// Waits after a failure: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Until what stands in the way is looked at again.
const STUCK_PAUSE: Duration = Duration::from_secs(10);

/// All that waits and all that is under way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Arc<Write>>,
    under_way: HashMap<Target, Started>,
    failed: HashMap<Target, Failed>,
    /// Grows with each set of writes.
    generation: u64,
}

#[derive(Debug)]
struct Started {
    write: Arc<Write>,
    generation: u64,
}

#[derive(Debug)]
struct Failed {
    write: Arc<Write>,
    pause: Duration,
    until: Instant,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Not done; to be tried again.
    Failed,
    /// Cannot be done for as long as things are as they are; to be looked at again much later.
    Stuck,
}

impl Queue {
    /// A newer set takes the place of all that is not under way.
    pub(super) fn replace(&mut self, writes: impl IntoIterator<Item = Arc<Write>>) {
        self.generation += 1;
        self.waiting = writes.into_iter().collect();
        let wanted: HashMap<_, _> = self.waiting.iter().map(|write| (write.target(), write)).collect();
        // what has changed since it failed may succeed
        self.failed.retain(|target, failed| {
            let write = wanted.get(target);
            self.under_way.contains_key(target) || write.is_some_and(|write| write.is_same(&failed.write))
        });
    }

    /// The next one that can be written now; it is under way until [`Queue::end`].
    pub(super) fn begin(&mut self, now: Instant) -> Option<Arc<Write>> {
        let can_begin = |write: &Arc<Write>| {
            let target = write.target();
            !self.under_way.contains_key(&target)
                && self.failed.get(&target).is_none_or(|failed| failed.until <= now)
        };
        let position = self.waiting.iter().position(can_begin)?;
        let write = self.waiting.remove(position)?;
        let started = Started { write: Arc::clone(&write), generation: self.generation };
        self.under_way.insert(write.target(), started);
        Some(write)
    }

    /// What was under way has ended. Returns how long it waits until it is tried again, if it is.
    pub(super) fn end(&mut self, target: &Target, outcome: Outcome, now: Instant) -> Option<Duration> {
        let started = self.under_way.remove(target)?;
        if outcome == Outcome::Done {
            self.failed.remove(target);
            // the set may have been made before the index has seen what was written
            self.waiting.retain(|write| write.target() != *target || !write.is_same(&started.write));
            return None;
        }
        let pause = match (outcome, self.failed.get(target)) {
            (Outcome::Stuck, _) => STUCK_PAUSE,
            (Outcome::Done | Outcome::Failed, Some(failed)) => (failed.pause * 2).min(LONGEST_PAUSE),
            (Outcome::Done | Outcome::Failed, None) => FIRST_PAUSE,
        };
        if started.generation == self.generation {
            self.waiting.push_back(Arc::clone(&started.write));
        }
        let failed = Failed { write: started.write, pause, until: now + pause };
        self.failed.insert(target.clone(), failed);
        Some(pause)
    }

    /// When a failed one can be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().filter_map(|write| self.failed.get(&write.target()));
        waiting.map(|failed| failed.until).min()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::object::{Key, Kind};

    fn status(name: &str, value: u32) -> Arc<Write> {
        Arc::new(Write::Status {
            kind: Kind::Registration,
            key: Key::new("a", name),
            status: json!({"v": value}),
        })
    }

    fn begun(queue: &mut Queue, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| queue.begin(now)).map(|write| write.target().key.name).collect()
    }

    #[test]
    fn a_target_is_written_once_at_a_time_and_others_go_on() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.replace([status("x", 1), status("y", 1)]);
        assert_eq!(begun(&mut queue, now), ["x", "y"]);
        queue.replace([status("x", 2), status("z", 1)]);
        assert_eq!(begun(&mut queue, now), ["z"]);
        assert_eq!(queue.end(&status("x", 1).target(), Outcome::Done, now), None);
        assert_eq!(begun(&mut queue, now), ["x"]);
    }

    #[test]
    fn what_was_written_meanwhile_is_not_written_again() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.replace([status("x", 1)]);
        assert_eq!(begun(&mut queue, now), ["x"]);
        queue.replace([status("x", 1)]);
        queue.end(&status("x", 1).target(), Outcome::Done, now);
        assert_eq!(begun(&mut queue, now), [""; 0]);
    }

    #[test]
    fn a_failure_waits_ever_longer_and_is_tried_at_once_when_it_has_changed() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.replace([status("x", 1), status("y", 1)]);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(begun(&mut queue, now).contains(&"x".to_owned()));
            let pause = queue.end(&status("x", 1).target(), Outcome::Failed, now).unwrap();
            assert_eq!(queue.next(), Some(now + pause));
            assert_eq!(begun(&mut queue, now), [""; 0]);
            // a set that holds the same write does not end the wait
            queue.replace([status("x", 1)]);
            now += pause;
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(begun(&mut queue, now), ["x"]);
        queue.end(&status("x", 1).target(), Outcome::Failed, now);
        queue.replace([status("x", 2)]);
        assert_eq!(begun(&mut queue, now), ["x"]);
    }

    #[test]
    fn a_failure_that_is_not_wanted_any_more_is_dropped() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.replace([status("x", 1)]);
        assert_eq!(begun(&mut queue, now), ["x"]);
        queue.replace([]);
        queue.end(&status("x", 1).target(), Outcome::Failed, now);
        assert_eq!(begun(&mut queue, now + LONGEST_PAUSE), [""; 0]);
        assert_eq!(queue.next(), None);
    }
}
