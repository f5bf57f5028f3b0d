//! Who has a host and a prefix: of two registrations the older, and nobody where another namespace claims the host.

use std::collections::HashMap;

use super::{extension::Extension, place::Place, registration::Offer, seen::Seen};
use crate::{
    controller::{
        object::Key,
        status::{Check, Finding, reason},
    },
    credentials, routing,
    source::MAX_SERVERS,
};

/// Most bytes of one gateway's servers in its configuration: with the rest they stay below what its Secrets hold.
const MAX_BYTES: usize = 9 << 20;

/// What the registrations so far have.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    most: Load,
    hostnames: HashMap<(usize, routing::Authority), &'a Key>,
    prefixes: HashMap<(usize, &'a str), &'a Key>,
    load: HashMap<usize, Load>,
}

/// What one extension's configuration holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) servers: usize,
    pub(super) bytes: usize,
}

impl Load {
    pub(super) const MOST: Self = Self { servers: MAX_SERVERS, bytes: MAX_BYTES };
}

impl<'a> Claims<'a> {
    pub(super) fn up_to(most: Load) -> Self {
        Self { most, hostnames: HashMap::new(), prefixes: HashMap::new(), load: HashMap::new() }
    }

    /// Takes what `offer` needs for the registration `key`, or refuses it. Registrations come the oldest first.
    pub(super) fn take(
        &mut self,
        seen: &Seen<'_>,
        extensions: &[Extension<'_>],
        (key, prefix): (&'a Key, &'a str),
        offer: &Offer<'_>,
    ) -> Check {
        let host = offer.hostname.as_str();
        let conflict = |reason, message| Err(Finding::new(reason, message));
        let place = offer.place;
        if let Some(route) = seen.attachments.foreign_claim(&place.gateway, host, &offer.route.namespace) {
            let message = format!(
                "HTTPRoutes {} and {route} of different namespaces both claim {host} on Gateway {}; choose \
                 another hostname",
                offer.route, place.gateway
            );
            return conflict(reason::HOST_CONFLICT, message);
        }
        let others = extensions.iter().filter_map(|it| Some((it.key, it.place.as_ref()?)));
        let public = |place_of: &Place<'_>| {
            place_of.gateway == place.gateway && place_of.public_host == offer.hostname
        };
        if let Some((other, _)) = others.into_iter().find(|(_, place)| public(place)) {
            let message = format!(
                "{host} is the public host of MCPGatewayExtension {other}; choose a hostname that clients \
                 do not name, such as NAME.mcp.local"
            );
            return conflict(reason::HOST_CONFLICT, message);
        }
        let at = offer.extension;
        if let Some(older) = self.hostnames.get(&(at, offer.hostname.clone())) {
            let message = format!(
                "the older MCPServerRegistration {older} has the hostname {host}; give each server an \
                 HTTPRoute with its own hostname"
            );
            return conflict(reason::HOST_CONFLICT, message);
        }
        if let Some(older) = self.prefixes.get(&(at, prefix)) {
            let message = format!(
                "the older MCPServerRegistration {older} has the toolPrefix {prefix:?}, and prefixes do not change: delete one of the two and create it with another"
            );
            return conflict(reason::PREFIX_CONFLICT, message);
        }
        self.load(at, key, prefix, offer)?;
        self.hostnames.insert((at, offer.hostname.clone()), key);
        if !prefix.is_empty() {
            self.prefixes.insert((at, prefix), key);
        }
        Ok(())
    }

    fn load(&mut self, at: usize, key: &Key, prefix: &str, offer: &Offer<'_>) -> Check {
        let load = self.load.entry(at).or_default();
        let Load { servers, bytes } = *load;
        let size = offer.server.as_ref().map_or(0, |server| {
            // JSON escapes some characters
            let credential = server.credential.as_ref().map_or(0, |secret| 2 * credentials::size(secret));
            server.url.as_str().len() + server.hostname.as_str().len() + credential
        });
        let bytes = bytes + size + key.namespace.len() + key.name.len() + prefix.len() + 256;
        if servers >= self.most.servers || bytes > self.most.bytes {
            let message = format!(
                "the gateway is full with {servers} older registrations; delete some, or use a second Gateway"
            );
            return Err(Finding::new(reason::TOO_MANY, message));
        }
        *load = Load { servers: servers + 1, bytes };
        Ok(())
    }
}
