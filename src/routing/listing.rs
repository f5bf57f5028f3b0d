//! One list: its items found by exact name, and shown page by page from bytes built once.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};

use super::Item;

/// One list: found by name in constant time, listed in the order of their names from bytes built once.
#[derive(Debug, Default)]
pub struct Listing {
    by_name: HashMap<Box<str>, Arc<Item>>,
    sorted: Vec<Arc<Item>>,
    /// The sorted items' JSON with commas between.
    joined: Bytes,
    /// Where each sorted item ends in `joined`.
    ends: Vec<usize>,
}

impl Listing {
    /// A view of `items`, whose exposed names are unique.
    pub fn new(mut items: Vec<Arc<Item>>) -> Self {
        items.sort_unstable_by(|a, b| a.exposed.cmp(&b.exposed));
        items.dedup_by(|a, b| a.exposed == b.exposed);
        let mut joined = BytesMut::with_capacity(items.iter().map(|item| item.json.len() + 1).sum());
        let mut ends = Vec::with_capacity(items.len());
        for item in &items {
            if !joined.is_empty() {
                joined.extend_from_slice(b",");
            }
            joined.extend_from_slice(&item.json);
            ends.push(joined.len());
        }
        let by_name = items.iter().map(|item| (item.exposed.clone(), Arc::clone(item))).collect();
        Self { by_name, sorted: items, joined: joined.freeze(), ends }
    }

    pub fn item(&self, exposed: &str) -> Option<&Arc<Item>> {
        self.by_name.get(exposed)
    }

    /// In the order of their names.
    pub fn items(&self) -> &[Arc<Item>] {
        &self.sorted
    }

    /// The JSON of all items, with commas between: equal bytes, equal lists.
    pub fn joined(&self) -> &Bytes {
        &self.joined
    }

    /// At most `size` items (0: all) whose names come after `after`.
    pub(super) fn page(&self, after: &str, size: usize) -> Page {
        let first = self.sorted.partition_point(|item| &*item.exposed <= after);
        let last =
            if size == 0 { self.sorted.len() } else { self.sorted.len().min(first.saturating_add(size)) };
        let before = |index: usize| index.checked_sub(1).and_then(|index| self.ends.get(index).copied());
        let (start, end) = (before(first).map_or(0, |end| end + 1), before(last).unwrap_or(0));
        let items = if first < last { self.joined.slice(start..end) } else { Bytes::new() };
        Page { items, next: self.cursor(last) }
    }

    fn cursor(&self, last: usize) -> Option<String> {
        let name = &self.sorted.get(last.checked_sub(1)?)?.exposed;
        (last < self.sorted.len()).then(|| BASE64_URL_SAFE_NO_PAD.encode(&**name))
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
