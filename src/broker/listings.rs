//! Which lists each scope has now, as numbers: event streams compare them to tell their clients of changes.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::routing::{Primitive, Scope, Snapshot, Spec};

/// A number for each list that clients are told of; another list, another number. The same list has the same number
/// in every replica and after a restart, so that it can be part of an event's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ListVersions {
    pub(super) tools: u64,
    pub(super) prompts: u64,
    /// Of resources and templates.
    pub(super) resources: u64,
}

impl ListVersions {
    fn of(scope: &Scope<'_>) -> Self {
        let number = |primitives: &[Primitive]| {
            let mut hasher = DefaultHasher::new();
            for &primitive in primitives {
                scope.fingerprint(primitive).hash(&mut hasher);
            }
            hasher.finish()
        };
        Self {
            tools: number(&[Primitive::Tool]),
            prompts: number(&[Primitive::Prompt]),
            resources: number(&[Primitive::Resource, Primitive::ResourceTemplate]),
        }
    }
}

/// The numbers of every scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listings {
    all: ListVersions,
    by_virtual_server: HashMap<Box<str>, ListVersions>,
}

impl Listings {
    /// The lists that `snapshot`, compiled from `spec`, answers with.
    pub(super) fn of(snapshot: &Snapshot, spec: &Spec) -> Self {
        let of = |names: &[&str]| snapshot.scope(names).ok().map(|scope| ListVersions::of(&scope));
        let named = spec.virtual_servers.iter().filter_map(|named| {
            let name = named.name.as_str();
            Some((name.into(), of(&[name])?))
        });
        Self { all: of(&[]).unwrap_or_default(), by_virtual_server: named.collect() }
    }

    /// The numbers of what is seen through each of `virtual_servers` at once; 0 stands for one that is not there.
    pub(super) fn of_scope(&self, virtual_servers: &[Box<str>]) -> ListVersions {
        match virtual_servers {
            [] => self.all,
            [name] => self.by_virtual_server.get(name).copied().unwrap_or_default(),
            names => {
                let all = names.iter().map(|name| self.by_virtual_server.get(name));
                let number = |of: fn(&ListVersions) -> u64| {
                    let mut hasher = DefaultHasher::new();
                    all.clone().for_each(|versions| versions.map(of).hash(&mut hasher));
                    hasher.finish()
                };
                ListVersions {
                    tools: number(|versions| versions.tools),
                    prompts: number(|versions| versions.prompts),
                    resources: number(|versions| versions.resources),
                }
            }
        }
    }
}
