//! Which server a URI leads to, and how a server's URI looks to clients.

use std::{borrow::Cow, sync::Arc};

use super::{Server, View, uri, view::Unlisted};
use crate::mcp::ServerCapabilities;

impl View {
    /// Whom `uri`, which is in no prefix form, leads to among the servers that `is_member` takes: the one that lists
    /// it, the first that has a template of it, or the only one with resources of those that `reads_unlisted` takes.
    pub(super) fn owner(
        &self,
        uri: &str,
        is_member: impl Fn(&Server) -> bool,
        reads_unlisted: impl Fn(&Server) -> bool,
    ) -> Option<&Arc<Server>> {
        let listed = self.resources.item(uri).map(|item| &item.server).filter(|server| is_member(server));
        listed.or_else(|| {
            let item = self.templates().find(|item| item.matches(uri) && is_member(&item.server));
            item.map(|item| &item.server).or_else(|| {
                let mut readable = self.servers.iter().filter(|server| {
                    server.capabilities.has(ServerCapabilities::RESOURCES) && reads_unlisted(server)
                });
                readable.next().filter(|_| readable.next().is_none())
            })
        })
    }

    /// Whether `upstream` of `server`, as the server calls it, can be read here.
    pub(super) fn has_resource(&self, server: &Server, upstream: &str) -> bool {
        match self.unlisted(server) {
            Some(Unlisted::Readable) => true,
            Some(Unlisted::Closed) => self.offers(server, upstream),
            None => false,
        }
    }

    /// How clients see `uri` of `server`, one of those that have anything here.
    pub(super) fn exposed_uri<'u>(&self, server: &Server, uri: &'u str) -> Cow<'u, str> {
        let leads_back =
            || self.owner(uri, |_| true, |_| true).is_some_and(|owner| owner.name == server.name);
        let is_left_alone = || uri::is_web(uri) && !self.offers(server, uri);
        if !uri::is_reserved(uri) && (leads_back() || is_left_alone()) {
            Cow::Borrowed(uri)
        } else {
            Cow::Owned(uri::prefixed(&server.name, uri))
        }
    }

    /// Whether `server` lists `upstream` or has a template of it.
    fn offers(&self, server: &Server, upstream: &str) -> bool {
        let is_listed = |exposed: &str| {
            let item = self.resources.item(exposed);
            item.is_some_and(|item| item.server.name == server.name && *item.upstream == *upstream)
        };
        is_listed(upstream)
            || is_listed(&uri::prefixed(&server.name, upstream))
            || self.templates().any(|item| item.server.name == server.name && item.matches(upstream))
    }
}
