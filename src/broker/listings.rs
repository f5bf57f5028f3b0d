//! Which list each scope has now, as one number: event streams compare it to tell their clients of changes.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::routing::{Snapshot, Spec};

/// A number for the list of every scope; another list, another number. The same list has the same number in every
/// replica and after a restart, so that it can be the id of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listings {
    all: u64,
    by_virtual_server: HashMap<Box<str>, u64>,
}

impl Listings {
    /// The lists that `snapshot`, compiled from `spec`, answers with.
    pub(super) fn of(snapshot: &Snapshot, spec: &Spec) -> Self {
        let named = spec.virtual_servers.iter().filter_map(|named| {
            let name = named.name.as_str();
            let page = snapshot.scope(&[name]).ok()?.page(None, 0)?;
            Some((name.into(), number(&page.tools)))
        });
        Self { all: number(snapshot.all().joined()), by_virtual_server: named.collect() }
    }

    /// The number of what is seen through each of `virtual_servers` at once; 0 stands for one that is not there.
    pub(super) fn of_scope(&self, virtual_servers: &[Box<str>]) -> u64 {
        match virtual_servers {
            [] => self.all,
            [name] => self.by_virtual_server.get(name).copied().unwrap_or_default(),
            names => {
                let mut hasher = DefaultHasher::new();
                for name in names {
                    self.by_virtual_server.get(name).hash(&mut hasher);
                }
                hasher.finish()
            }
        }
    }
}

fn number(list: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    hasher.finish()
}
