//! One list: its items found by exact name, and shown page by page from bytes built once.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::{Arc, OnceLock},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{Item, by_name::ByName};

/// One list: found by name in constant time, listed in the order of their names from bytes built once.
#[derive(Debug, Default)]
pub struct Listing {
    by_name: ByName,
    sorted: Box<[Arc<Item>]>,
    /// Once somebody has asked for a page.
    joined: OnceLock<Joined>,
}

/// What all pages are parts of.
#[derive(Debug, Default)]
struct Joined {
    /// The sorted items' JSON with commas between.
    json: Bytes,
    /// Where each item ends in it.
    ends: Box<[usize]>,
}

impl Listing {
    /// A view of `items`, whose exposed names are unique.
    pub fn new(mut items: Vec<Arc<Item>>) -> Self {
        items.sort_unstable_by(|a, b| a.exposed.cmp(&b.exposed));
        items.dedup_by(|a, b| a.exposed == b.exposed);
        Self { by_name: ByName::of(&items), sorted: items.into(), joined: OnceLock::new() }
    }

    pub fn item(&self, exposed: &str) -> Option<&Arc<Item>> {
        self.by_name.find(&self.sorted, exposed)
    }

    /// In the order of their names.
    pub fn items(&self) -> &[Arc<Item>] {
        &self.sorted
    }

    /// A number for what clients see of it: the same for the same list, in every process of this version.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.sorted.iter().for_each(|item| item.hash_json(&mut hasher));
        hasher.finish()
    }

    /// At most `size` items (0: all) whose names come after `after`.
    pub(super) fn page(&self, after: &str, size: usize) -> Page {
        let Joined { json, ends } = self.joined.get_or_init(|| Joined::of(&self.sorted));
        let first = self.sorted.partition_point(|item| &*item.exposed <= after);
        let last =
            if size == 0 { self.sorted.len() } else { self.sorted.len().min(first.saturating_add(size)) };
        let before = |index: usize| index.checked_sub(1).and_then(|index| ends.get(index).copied());
        let (start, end) = (before(first).map_or(0, |end| end + 1), before(last).unwrap_or(0));
        let items = if first < last { json.slice(start..end) } else { Bytes::new() };
        Page { items, next: self.cursor(last) }
    }

    fn cursor(&self, last: usize) -> Option<String> {
        let name = &self.sorted.get(last.checked_sub(1)?)?.exposed;
        (last < self.sorted.len()).then(|| BASE64_URL_SAFE_NO_PAD.encode(&**name))
    }
}

impl Joined {
    fn of(items: &[Arc<Item>]) -> Self {
        // made twice, so that this takes no byte more than it keeps
        let len = items.iter().map(|item| item.json().len() + 1).sum::<usize>();
        let mut json = Vec::with_capacity(len.saturating_sub(1));
        let mut ends = Vec::with_capacity(items.len());
        for item in items {
            if !json.is_empty() {
                json.push(b',');
            }
            json.extend_from_slice(&item.json());
            ends.push(json.len());
        }
        Self { json: json.into(), ends: ends.into() }
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// JSON objects with commas between.
    pub items: Bytes,
    /// `nextCursor`; absent on the last page.
    pub next: Option<String>,
}
