//! Which instances of the data plane still renew their reports; one that has ended cannot say so.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use super::object::{Key, Named, core::ConfigMap};

/// An instance whose report stays the same for so long has ended: it renews its report more often.
pub(super) const SILENCE: Duration = Duration::from_secs(35);

/// When each report last changed.
#[derive(Debug, Default)]
pub(super) struct Heard {
    hasher: RandomState,
    reports: HashMap<Key, BTreeMap<String, Last>>,
}

#[derive(Debug)]
struct Last {
    hash: u64,
    at: Instant,
    is_silent: bool,
}

impl Heard {
    /// A `ConfigMap` of reports is new or has changed.
    pub(super) fn take(&mut self, reports: &Named<ConfigMap>, now: Instant) {
        let instances = self.reports.entry(reports.key()).or_default();
        instances.retain(|instance, _| reports.view.data.contains_key(instance));
        for (instance, text) in &reports.view.data {
            let hash = self.hasher.hash_one(text);
            let last = instances.get(instance).filter(|last| last.hash == hash);
            if last.is_none() {
                instances.insert(instance.clone(), Last { hash, at: now, is_silent: false });
            }
        }
    }

    /// It is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.reports.remove(key);
    }

    /// Namespace and name of the instances that have become silent; each is named once.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<(String, String)> {
        let mut silent = Vec::new();
        for (key, instances) in &mut self.reports {
            for (instance, last) in instances {
                if !last.is_silent && now >= last.at + SILENCE {
                    last.is_silent = true;
                    silent.push((key.namespace.clone(), instance.clone()));
                }
            }
        }
        silent
    }

    /// When the next one would become silent.
    pub(super) fn next(&self) -> Option<Instant> {
        let all = self.reports.values().flat_map(BTreeMap::values);
        all.filter(|last| !last.is_silent).map(|last| last.at + SILENCE).min()
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;

    fn reports(entries: &[(&str, &str)]) -> Named<ConfigMap> {
        let metadata =
            ObjectMeta { namespace: Some("a".into()), name: Some("r".into()), ..ObjectMeta::default() };
        let data = entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Named { metadata, view: ConfigMap { data } }
    }

    #[test]
    fn an_instance_is_silent_when_its_report_stays_the_same_and_is_named_once() {
        let (mut heard, start) = (Heard::default(), Instant::now());
        heard.take(&reports(&[("one", "1"), ("two", "1")]), start);
        let later = start + SILENCE * 2 / 3;
        heard.take(&reports(&[("one", "2"), ("two", "1")]), later);
        assert_eq!(heard.next(), Some(start + SILENCE));
        assert_eq!(heard.silent(start + SILENCE), [("a".to_owned(), "two".to_owned())]);
        assert_eq!(heard.silent(start + SILENCE), []);
        assert_eq!(heard.next(), Some(later + SILENCE));
        heard.take(&reports(&[("one", "2"), ("two", "3")]), start + SILENCE);
        assert_eq!(heard.silent(later + SILENCE), [("a".to_owned(), "one".to_owned())]);
        assert_eq!(heard.next(), Some(start + 2 * SILENCE));
    }

    #[test]
    fn an_instance_that_is_gone_is_not_silent() {
        let (mut heard, start) = (Heard::default(), Instant::now());
        heard.take(&reports(&[("one", "1"), ("two", "1")]), start);
        heard.take(&reports(&[("two", "1")]), start);
        assert_eq!(heard.silent(start + SILENCE).len(), 1);
        heard.forget(&Key::new("a", "r"));
        assert_eq!(heard.next(), None);
    }
}
