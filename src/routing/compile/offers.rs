//! The exposed items of each kind: of two with one name, the first to come has it.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::Conflict;
use crate::routing::{Discovered, Item, Primitive, Server, View, uri};

/// Templates of one server that URIs are matched with, the first ones: all are tried before a URI is unknown.
const MAX_TEMPLATES: usize = 100;

/// Exposed items, in the order of the configuration.
#[derive(Default)]
pub(super) struct Offers {
    by_name: HashMap<(Primitive, Box<str>), Arc<Item>>,
    in_order: HashMap<Primitive, Vec<Arc<Item>>>,
}

impl Offers {
    pub(super) fn items(&self, primitive: Primitive) -> Vec<Arc<Item>> {
        self.in_order.get(&primitive).cloned().unwrap_or_default()
    }

    /// Resources or templates: one that an earlier server has is exposed in prefix form. One too long to be read is
    /// left out.
    pub(super) fn add_uris(&mut self, primitive: Primitive, found: &[(Arc<Server>, &Discovered)]) {
        for (server, found) in found {
            let readable = found.items(primitive).iter().filter(|item| item.name.len() <= uri::MAX_URI);
            for (at, item) in readable.enumerate() {
                let is_taken = uri::is_reserved(&item.name) || self.owner(primitive, &item.name).is_some();
                let exposed = if is_taken {
                    Cow::Owned(uri::prefixed(&server.name, &item.name))
                } else {
                    Cow::Borrowed(&*item.name)
                };
                let mut item = Item::of(server, (primitive, item), &exposed, |_uri| None);
                item.template.take_if(|_| at >= MAX_TEMPLATES);
                self.add(primitive, item);
            }
        }
    }

    /// Tools or prompts: one that an earlier server has is left out. `routes` says how URIs in them are exposed.
    pub(super) fn add_names(
        &mut self,
        primitive: Primitive,
        found: &[(Arc<Server>, &Discovered)],
        routes: &View,
    ) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for (server, found) in found {
            for item in found.items(primitive) {
                let name = server.prefix.expose(&item.name);
                if let Some(owner) = self.owner(primitive, &name) {
                    let (owner, server) = (owner.name.clone(), server.name.clone());
                    conflicts.push(Conflict { server, primitive, name: name.into(), owner });
                    continue;
                }
                let expose_uri = |uri: &str| match routes.exposed_uri(server, uri) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(exposed) => Some(exposed),
                };
                self.add(primitive, Item::of(server, (primitive, item), &name, expose_uri));
            }
        }
        conflicts
    }

    fn owner(&self, primitive: Primitive, exposed: &str) -> Option<&Arc<Server>> {
        Some(&self.by_name.get(&(primitive, exposed.into()))?.server)
    }

    fn add(&mut self, primitive: Primitive, item: Item) {
        let item = Arc::new(item);
        self.by_name.insert((primitive, item.exposed.clone()), Arc::clone(&item));
        self.in_order.entry(primitive).or_default().push(item);
    }
}
