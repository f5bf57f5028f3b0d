//! What one request may see and call: every view that limits it, at once.

use std::{collections::HashSet, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Item, Listing, Page, Primitive, Server, Snapshot, View, uri, view::Unlisted};

/// Every view that limits a request, at once.
#[derive(Clone, Debug)]
pub struct Scope<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) first: &'s View,
    pub(super) also: Vec<&'s View>,
}

impl<'s> Scope<'s> {
    /// The item of that exposed name, if every view has it.
    pub fn item(&self, primitive: Primitive, exposed: &str) -> Option<&'s Arc<Item>> {
        let item = self.first.listing(primitive).item(exposed)?;
        self.also.iter().all(|view| view.listing(primitive).item(exposed).is_some()).then_some(item)
    }

    /// The page that `cursor` asks for, of `size` items (0: all on one page); `None`: not a cursor of ours.
    pub fn page(&self, primitive: Primitive, cursor: Option<&str>, size: usize) -> Option<Page> {
        let after = match cursor {
            None => String::new(),
            Some(cursor) => String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?,
        };
        Some(self.of_list(primitive, |list| list.page(&after, size)))
    }

    /// [`Listing::fingerprint`] of what can be seen.
    pub fn fingerprint(&self, primitive: Primitive) -> u64 {
        self.of_list(primitive, Listing::fingerprint)
    }

    fn of_list<T>(&self, primitive: Primitive, of: impl FnOnce(&Listing) -> T) -> T {
        if self.also.is_empty() {
            return of(self.first.listing(primitive));
        }
        let make = || Listing::new(self.items(primitive).map(Arc::clone).collect());
        of(&self.snapshot.joint.list(primitive, self.views(), make))
    }

    /// The servers that have anything in the scope, in the order of the configuration. Where nothing limits: all
    /// that are enabled and discovered.
    pub fn servers(&self) -> Vec<&'s Arc<Server>> {
        if self.also.is_empty() {
            return self.first.servers.iter().collect();
        }
        let items = Primitive::ALL.into_iter().flat_map(|primitive| self.items(primitive));
        let have_items: HashSet<&str> = items.map(|item| item.server.name.as_str()).collect();
        let has_any = |server: &&'s Arc<Server>| {
            have_items.contains(server.name.as_str()) || self.reads_unlisted(server)
        };
        self.first.servers.iter().filter(has_any).collect()
    }

    /// Whom a read of `uri` goes to, and the URI that this server knows; `None`: nobody in the scope has it.
    ///
    /// A URI in prefix form goes to the server that it names; any other to the server that lists it, to the first
    /// that has a template of it, or to the only one with resources. A URI that nobody lists, and that is covered
    /// by no template of its server, is in the scope only where no view names its resources one by one.
    pub fn resource<'u>(&self, uri: &'u str) -> Option<(&'s Arc<Server>, &'u str)> {
        let (server, upstream) = match uri::split(uri) {
            Some((name, upstream)) => (self.snapshot.server(name)?, upstream),
            None if uri::is_reserved(uri) => return None,
            None => (self.owner(uri)?, uri),
        };
        self.views().all(|view| view.has_resource(server, upstream)).then_some((server, upstream))
    }

    /// Whom a completion for that template, or resource, goes to, and how this server calls it.
    pub fn template<'u>(&self, template: &'u str) -> Option<(&'s Arc<Server>, &'u str)> {
        match self.item(Primitive::ResourceTemplate, template) {
            Some(item) => {
                Some((&item.server, uri::split(template).map_or(template, |(_, upstream)| upstream)))
            }
            None => self.resource(template),
        }
    }

    /// Only servers of the scope can have the URI, and among them the one that has it over the whole gateway: in a
    /// scope a URI never leads to another server of the scope than without.
    fn owner(&self, uri: &str) -> Option<&'s Arc<Server>> {
        self.snapshot.all().owner(
            uri,
            |server| self.views().all(|view| view.unlisted(server).is_some()),
            |server| self.reads_unlisted(server),
        )
    }

    fn reads_unlisted(&self, server: &Server) -> bool {
        self.views().all(|view| view.unlisted(server) == Some(Unlisted::Readable))
    }

    fn items(&self, primitive: Primitive) -> impl Iterator<Item = &'s Arc<Item>> {
        let in_all = move |item: &&'s Arc<Item>| self.item(primitive, &item.exposed).is_some();
        self.first.listing(primitive).items().iter().filter(in_all)
    }

    fn views(&self) -> impl Iterator<Item = &'s View> {
        std::iter::once(self.first).chain(self.also.iter().copied())
    }
}
