//! A map that is bounded and forgets: what has ended, and, once it is full, what was not used for longest.
//!
//! In parts, each behind a lock of its own and held for one look alone, so that calls do not wait for each other.

use std::{
    hash::{BuildHasher as _, Hash},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hashlink::{DefaultHashBuilder, LruCache};

use crate::clock::UnixTime;

/// Parts of one map at most: with as many, two calls seldom meet in one.
const MAX_PARTS: usize = 64;

/// Entries that a part is made for: the fewer there are, the less it matters which of them has the oldest.
const ENTRIES_A_PART: usize = 1024;

/// Between two looks of a part for what has ended.
const SWEEP: Duration = Duration::from_mins(1);

/// At most `limit` entries, each with an end.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    parts: Box<[Mutex<Part<K, V>>]>,
    hasher: DefaultHashBuilder,
    limit: usize,
    len: AtomicUsize,
    clock: fn() -> UnixTime,
}

#[derive(Debug)]
struct Part<K, V> {
    /// From the one not used for longest to the newest.
    entries: LruCache<K, Ending<V>>,
    swept: UnixTime,
}

#[derive(Debug)]
struct Ending<V> {
    value: V,
    end: UnixTime,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    pub(super) fn new(limit: usize, clock: fn() -> UnixTime) -> Self {
        let parts = (limit / ENTRIES_A_PART).clamp(1, MAX_PARTS);
        let part = || Mutex::new(Part { entries: LruCache::new_unbounded(), swept: clock() });
        Self {
            parts: std::iter::repeat_with(part).take(parts).collect(),
            hasher: DefaultHashBuilder::default(),
            limit,
            len: AtomicUsize::new(0),
            clock,
        }
    }

    /// The value of `key`, which is used by this.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let found = self.part(key)?.entries.get(key).map(|found| (found.value.clone(), found.end))?;
        self.is_live(found.1).then_some(found.0)
    }

    /// Whether `key` is there; it is not used by this.
    pub(super) fn has(&self, key: &K) -> bool {
        self.part(key)
            .and_then(|part| part.entries.peek(key).map(|found| found.end))
            .is_some_and(|end| self.is_live(end))
    }

    pub(super) fn insert(&self, key: K, value: V, end: UnixTime) {
        let Some(mut part) = self.part(&key) else { return };
        let before = part.entries.insert(key, Ending { value, end });
        self.count(&mut part, before.is_none());
    }

    /// The value of `key`, which is `make`'s from now on if there is none; and whether it is.
    pub(super) fn value_or(&self, key: K, end: UnixTime, make: impl FnOnce() -> V) -> (V, bool) {
        let Some(mut part) = self.part(&key) else { return (make(), true) };
        if let Some(found) = part.entries.get(&key)
            && self.is_live(found.end)
        {
            return (found.value.clone(), false);
        }
        let value = make();
        let before = part.entries.insert(key, Ending { value: value.clone(), end });
        self.count(&mut part, before.is_none());
        (value, true)
    }

    pub(super) fn remove(&self, key: &K) -> Option<V> {
        let removed = self.part(key)?.entries.remove(key)?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        self.is_live(removed.end).then_some(removed.value)
    }

    /// Keeps the limit after an entry has come to `part`.
    fn count(&self, part: &mut Part<K, V>, is_new: bool) {
        let mut gone = 0;
        let now = (self.clock)();
        if part.swept.until(now) >= SWEEP {
            let before = part.entries.len();
            part.entries.retain(|_, entry| entry.end > now);
            gone = before - part.entries.len();
            part.swept = now;
        }
        let len = self.len.fetch_add(usize::from(is_new), Ordering::Relaxed) + usize::from(is_new);
        if len.saturating_sub(gone) > self.limit
            && part.entries.len() > 1
            && part.entries.remove_lru().is_some()
        {
            gone += 1;
        }
        self.len.fetch_sub(gone, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    fn is_live(&self, end: UnixTime) -> bool {
        end > (self.clock)()
    }

    fn part(&self, key: &K) -> Option<MutexGuard<'_, Part<K, V>>> {
        let [.., high, low] = self.hasher.hash_one(key).to_le_bytes();
        let at = usize::from(u16::from_le_bytes([high, low]));
        let part = self.parts.get(at % self.parts.len())?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
