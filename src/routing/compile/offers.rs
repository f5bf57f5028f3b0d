//! The exposed items of each kind: of two with one name, the first to come has it.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::Conflict;
use crate::routing::{Discovered, Item, Primitive, Server, View, by_name::ByName, uri};

/// Templates of one server that URIs are matched with, the first ones: all are tried before a URI is unknown.
const MAX_TEMPLATES: usize = 100;

/// Exposed items, in the order of the configuration.
#[derive(Default)]
pub(super) struct Offers(HashMap<Primitive, Offered>);

/// Those of one kind.
#[derive(Default)]
struct Offered {
    in_order: Vec<Arc<Item>>,
    by_name: ByName,
}

impl Offers {
    pub(super) fn items(&self, primitive: Primitive) -> Vec<Arc<Item>> {
        self.0.get(&primitive).map(|offered| offered.in_order.clone()).unwrap_or_default()
    }

    /// Resources or templates: one that an earlier server has is exposed in prefix form. One too long to be read is
    /// left out.
    pub(super) fn add_uris(&mut self, primitive: Primitive, found: &[(Arc<Server>, Arc<Discovered>)]) {
        for both @ (server, found) in found {
            let items = found.items(primitive).iter().enumerate();
            let readable = items.filter(|(_, item)| item.name.len() <= uri::MAX_URI);
            for (count, (place, item)) in readable.enumerate() {
                let is_taken = uri::is_reserved(&item.name) || self.owner(primitive, &item.name).is_some();
                let exposed = if is_taken {
                    Cow::Owned(uri::prefixed(&server.name, &item.name))
                } else {
                    Cow::Borrowed(&*item.name)
                };
                let mut item = Item::of(both, (primitive, place), &exposed, |_uri| None);
                if let Some(item) = &mut item {
                    item.template.take_if(|_| count >= MAX_TEMPLATES);
                }
                self.add(primitive, item);
            }
        }
    }

    /// Tools or prompts: one that an earlier server has is left out. `routes` says how URIs in them are exposed.
    pub(super) fn add_names(
        &mut self,
        primitive: Primitive,
        found: &[(Arc<Server>, Arc<Discovered>)],
        routes: &View,
    ) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for both @ (server, found) in found {
            for (place, item) in found.items(primitive).iter().enumerate() {
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
                self.add(primitive, Item::of(both, (primitive, place), &name, expose_uri));
            }
        }
        conflicts
    }

    fn owner(&self, primitive: Primitive, exposed: &str) -> Option<&Arc<Server>> {
        let Offered { in_order, by_name } = self.0.get(&primitive)?;
        Some(&by_name.find(in_order, exposed)?.server)
    }

    fn add(&mut self, primitive: Primitive, item: Option<Item>) {
        let Some(item) = item else { return };
        let Offered { in_order, by_name } = self.0.entry(primitive).or_default();
        in_order.push(Arc::new(item));
        by_name.add(in_order, in_order.len() - 1);
    }
}
