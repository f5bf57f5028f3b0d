//! Lists that several virtual servers limit at once, kept for the next request that is limited as this one.

use std::{
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Listing, Primitive, View};

/// Lists kept at most; the oldest goes first.
const MAX_KEPT: usize = 16;

/// Of one snapshot.
#[derive(Debug, Default)]
pub(super) struct Joint(Mutex<Vec<(Limits, Arc<Listing>)>>);

/// The kind of list, and where in memory each view is: for as long as the snapshot lives, no other view is there.
type Limits = (Primitive, Vec<usize>);

impl Joint {
    /// The list that all `views` have, made by `make` if it is not known.
    pub(super) fn list<'v>(
        &self,
        primitive: Primitive,
        views: impl Iterator<Item = &'v View>,
        make: impl FnOnce() -> Listing,
    ) -> Arc<Listing> {
        let limits = (primitive, views.map(|view| ptr::from_ref(view).addr()).collect());
        let known = |kept: &[(Limits, Arc<Listing>)]| {
            kept.iter().find(|(known, _)| *known == limits).map(|(_, list)| Arc::clone(list))
        };
        if let Some(list) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return list;
        }
        let list = Arc::new(make());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push((limits, Arc::clone(&list)));
        list
    }
}
