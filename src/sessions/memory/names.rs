//! Names of servers, each kept once however many sessions are at it.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

/// Names that are kept while nothing has them.
const MAX_UNUSED: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Names(RwLock<HashSet<Arc<str>>>);

impl Names {
    pub(super) fn shared(&self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_UNUSED {
            names.retain(|known| Arc::strong_count(known) > 1);
        }
        let name = Arc::from(name);
        names.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shared_and_those_of_nobody_go() {
        let names = Names::default();
        let kept = names.shared("a/b");
        for number in 0..2 * MAX_UNUSED {
            names.shared(&number.to_string());
        }
        assert!(Arc::ptr_eq(&kept, &names.shared("a/b")));
        assert!(names.0.read().unwrap().len() <= MAX_UNUSED + 1);
    }
}
