//! Which probes are due when; pure but for the instants that it is given.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

/// Between probes of a server that is good, at most.
const GOOD: Duration = Duration::from_mins(1);
/// The same of the Gateway itself, which all of them depend on.
const GATEWAY_GOOD: Duration = Duration::from_secs(10);
/// After the first failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Between probes of what is not good.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What is probed: [`GATEWAY`], or a server by its name.
pub(super) type Subject = String;
/// The Gateway itself; no server is called so.
pub(super) const GATEWAY: &str = "";

/// One probe to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) subject: Subject,
    /// The configuration it is about.
    pub(super) of: String,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// For the first time in a row: perhaps the configuration is not everywhere yet.
    Doubtful,
    Bad,
    /// The configuration is another one meanwhile.
    Outdated,
}

#[derive(Debug)]
struct Entry {
    of: String,
    due: Instant,
    /// In a row.
    failures: u32,
    is_good: bool,
    is_running: bool,
}

/// When each subject is probed next.
#[derive(Debug, Default)]
pub(super) struct Plan(BTreeMap<Subject, Entry>);

impl Plan {
    /// These are the subjects now, each with what it is configured as. What is new, another now, or not good is probed
    /// at once. Gives those of before that are gone, or another now.
    pub(super) fn adopt(
        &mut self,
        subjects: impl IntoIterator<Item = (Subject, String)>,
        now: Instant,
    ) -> BTreeSet<Subject> {
        let (mut wanted, mut outdated) = (BTreeSet::new(), BTreeSet::new());
        for (subject, of) in subjects {
            wanted.insert(subject.clone());
            let entry = self.0.entry(subject.clone()).or_insert_with(|| Entry::new(of.clone(), now));
            if entry.of != of {
                *entry = Entry::new(of, now);
                outdated.insert(subject);
            } else if !entry.is_good {
                (entry.due, entry.failures) = (now, 0);
            }
        }
        self.0.retain(|subject, _| {
            let stays = wanted.contains(subject);
            if !stays {
                outdated.insert(subject.clone());
            }
            stays
        });
        outdated
    }

    /// Something has changed that all depend on: everything is due.
    pub(super) fn hurry(&mut self, now: Instant) {
        for entry in self.0.values_mut() {
            entry.due = entry.due.min(now);
        }
    }

    /// A probe that is due; it runs until [`Plan::done`].
    pub(super) fn start(&mut self, now: Instant) -> Option<Probe> {
        let idle = self.0.iter_mut().filter(|(_, entry)| !entry.is_running && entry.due <= now);
        let (subject, entry) = idle.min_by_key(|(_, entry)| entry.due)?;
        entry.is_running = true;
        Some(Probe { subject: subject.clone(), of: entry.of.clone() })
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter(|entry| !entry.is_running).map(|entry| entry.due).min()
    }

    /// A probe has ended. `chance`: from 0 to 1, so that many are not probed at the same time for ever.
    pub(super) fn done(&mut self, probe: &Probe, is_good: bool, now: Instant, chance: f64) -> Standing {
        let Some(entry) = self.0.get_mut(&probe.subject).filter(|entry| entry.of == probe.of) else {
            return Standing::Outdated;
        };
        entry.is_running = false;
        if is_good {
            (entry.failures, entry.is_good) = (0, true);
            let pause = if probe.subject == GATEWAY { GATEWAY_GOOD } else { GOOD };
            entry.due = now + pause.mul_f64(0.5 + chance / 2.0);
            return Standing::Good;
        }
        entry.failures = entry.failures.saturating_add(1);
        let doubled = FIRST_RETRY.saturating_mul(1 << entry.failures.saturating_sub(1).min(16));
        entry.due = now + doubled.min(LONGEST_RETRY).mul_f64(0.75 + chance / 4.0);
        if entry.failures == 1 {
            return Standing::Doubtful;
        }
        entry.is_good = false;
        Standing::Bad
    }
}

impl Entry {
    fn new(of: String, due: Instant) -> Self {
        Self { of, due, failures: 0, is_good: false, is_running: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(of: &[(&str, &str)]) -> Vec<(Subject, String)> {
        of.iter().map(|(subject, of)| ((*subject).to_owned(), (*of).to_owned())).collect()
    }

    #[test]
    fn what_fails_is_probed_ever_more_rarely_and_what_is_good_each_minute() {
        let mut now = Instant::now();
        let mut plan = Plan::default();
        plan.adopt(subjects(&[("a", "1")]), now);
        let mut waits = Vec::new();
        for attempt in 0..9 {
            let probe = plan.start(now).unwrap();
            assert_eq!((plan.start(now), plan.next()), (None, None), "it runs");
            let expected = if attempt == 0 { Standing::Doubtful } else { Standing::Bad };
            assert_eq!(plan.done(&probe, false, now, 1.0), expected);
            let due = plan.next().unwrap();
            waits.push((due - now).as_millis());
            assert_eq!(plan.start(now), None, "not before it is due");
            now = due;
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        let probe = plan.start(now).unwrap();
        assert_eq!(plan.done(&probe, true, now, 1.0), Standing::Good);
        assert_eq!(plan.next().unwrap() - now, GOOD);
        now = plan.next().unwrap();
        let probe = plan.start(now).unwrap();
        assert_eq!(plan.done(&probe, false, now, 0.0), Standing::Doubtful, "one failure is not believed");
    }

    #[test]
    fn a_change_brings_what_is_new_or_not_good_at_once() {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.adopt(subjects(&[("bad", "1"), ("good", "1"), ("gone", "1"), ("other", "1")]), now);
        let probes: Vec<_> = std::iter::from_fn(|| plan.start(now)).collect();
        assert_eq!(probes.len(), 4);
        for probe in &probes {
            for _ in 0..3 {
                plan.done(probe, probe.subject != "bad", now, 1.0);
            }
        }
        let outdated =
            plan.adopt(subjects(&[("bad", "1"), ("good", "1"), ("new", "1"), ("other", "2")]), now);
        assert_eq!(Vec::from_iter(outdated), ["gone", "other"]);
        let due: Vec<_> = std::iter::from_fn(|| plan.start(now)).map(|probe| probe.subject).collect();
        assert_eq!(due, ["bad", "new", "other"]);
        let of = |subject: &str| Probe { subject: subject.to_owned(), of: "1".to_owned() };
        assert_eq!(plan.done(&of("gone"), true, now, 1.0), Standing::Outdated);
        assert_eq!(plan.done(&of("other"), true, now, 1.0), Standing::Outdated);
    }
}
