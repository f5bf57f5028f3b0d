//! Host names of listeners and routes, as Gateway API compares them: in any letter case; `*.` takes one label or more.

use std::collections::HashMap;

/// Whether `pattern` takes `host`, which may be a wildcard itself.
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|suffix| suffix.starts_with('.')) else {
        return false;
    };
    let Some(at) = host.len().checked_sub(suffix.len()).filter(|at| *at > 0) else { return false };
    host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// What both take: the narrower of the two, in lower case.
pub(super) fn intersection(one: &str, other: &str) -> Option<String> {
    if covers(one, other) {
        Some(other.to_ascii_lowercase())
    } else if covers(other, one) {
        Some(one.to_ascii_lowercase())
    } else {
        None
    }
}

/// Things by a host name or wildcard of theirs.
#[derive(Debug)]
pub(super) struct ByHost<'a, T>(HashMap<String, Vec<&'a T>>);

impl<T> Default for ByHost<'_, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, T> ByHost<'a, T> {
    pub(super) fn add(&mut self, host: &str, thing: &'a T) {
        self.0.entry(host.to_ascii_lowercase()).or_default().push(thing);
    }

    /// Those whose host takes `host`, the narrowest first.
    pub(super) fn get(&self, host: &str) -> Vec<&'a T> {
        let host = host.to_ascii_lowercase();
        let wildcards = host.match_indices('.').filter_map(|(at, _)| Some(format!("*{}", host.get(at..)?)));
        let mut names: Vec<String> = std::iter::once(host.clone()).chain(wildcards).collect();
        names.push("*".to_owned());
        names.iter().filter_map(|name| self.0.get(name)).flatten().copied().collect()
    }
}
