//! Items in a list, found by the names that clients see.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use super::Item;

/// Where the items of a list stand in it. Holds no name: it is asked together with its list, always the same one.
#[derive(Debug, Default)]
pub(super) struct ByName {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl ByName {
    /// Of `items`, whose names are unique.
    pub(super) fn of(items: &[Arc<Item>]) -> Self {
        let mut all = Self { places: HashTable::with_capacity(items.len()), ..Self::default() };
        (0..items.len()).for_each(|place| all.add(items, place));
        all
    }

    pub(super) fn find<'i>(&self, items: &'i [Arc<Item>], exposed: &str) -> Option<&'i Arc<Item>> {
        let is_it = |place: &u32| at(items, *place).is_some_and(|item| *item.exposed == *exposed);
        at(items, *self.places.find(self.hasher.hash_one(exposed), is_it)?)
    }

    /// Takes in the item at `place`, whose name is new.
    pub(super) fn add(&mut self, items: &[Arc<Item>], place: usize) {
        let hash = |place: &u32| at(items, *place).map_or(0, |item| self.hasher.hash_one(&*item.exposed));
        if let Ok(place) = u32::try_from(place) {
            self.places.insert_unique(hash(&place), place, hash);
        }
    }
}

fn at(items: &[Arc<Item>], place: u32) -> Option<&Arc<Item>> {
    items.get(place as usize)
}
