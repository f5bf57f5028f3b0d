//! `Spec` and `Catalogue` to one `Snapshot`; what could not be offered is reported, never fatal.

mod offers;
mod virtual_server;

use std::{collections::HashMap, sync::Arc};

use self::offers::Offers;
use super::{
    Catalogue, Discovered, ObjectName, Primitive, Server, Snapshot, Spec, View, joint::Joint, view::Unlisted,
};
use crate::mcp::ServerCapabilities;

/// An item that is not offered because an earlier server has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub server: ObjectName,
    pub primitive: Primitive,
    /// The exposed name.
    pub name: Box<str>,
    /// Who has it.
    pub owner: ObjectName,
}

/// The state that answers requests from now on, and the names that clash.
///
/// Servers rank in the order of the `Spec`: of two that offer a name the earlier has it, and only that name of
/// the later is refused. A URI of the later is offered in prefix form instead.
pub fn compile(spec: &Spec, catalogue: &Catalogue) -> (Snapshot, Vec<Conflict>) {
    let mut snapshot = Snapshot {
        public_hosts: spec.public_hosts.clone(),
        allowed_origins: spec.allowed_origins.clone(),
        servers: HashMap::new(),
        in_order: Vec::new(),
        by_hostname: HashMap::new(),
        all: View::default(),
        virtual_servers: HashMap::new(),
        joint: Joint::default(),
        resource_servers: 0,
        require_session: spec.require_session,
        limits: spec.limits,
    };
    let mut found = Vec::new();
    for server in &spec.servers {
        let discovered = catalogue.servers.get(&server.name);
        let compiled = Arc::new(Server::new(server, discovered.map(|found| &**found)));
        snapshot.by_hostname.entry(server.hostname.clone()).or_insert_with(|| Arc::clone(&compiled));
        if !server.enabled || snapshot.servers.contains_key(&server.name) {
            continue;
        }
        snapshot.servers.insert(server.name.clone(), Arc::clone(&compiled));
        snapshot.in_order.push(Arc::clone(&compiled));
        found.extend(discovered.map(|found| (compiled, Arc::clone(found))));
    }
    let (all, conflicts) = everything(&found);
    for named in &spec.virtual_servers {
        snapshot.virtual_servers.insert(named.name.as_str().into(), virtual_server::view(named, &all));
    }
    snapshot.all = all;
    let announces = |server: &&Arc<Server>| server.capabilities.has(ServerCapabilities::RESOURCES);
    snapshot.resource_servers = snapshot.in_order.iter().filter(announces).count();
    (snapshot, conflicts)
}

/// All that the servers offer, in their order.
fn everything(found: &[(Arc<Server>, Arc<Discovered>)]) -> (View, Vec<Conflict>) {
    let (mut offers, mut conflicts) = (Offers::default(), Vec::new());
    let servers = || found.iter().map(|(server, _)| (Arc::clone(server), Unlisted::Readable));
    for primitive in [Primitive::Resource, Primitive::ResourceTemplate] {
        offers.add_uris(primitive, found);
    }
    // tools name resources: where a URI leads must be known before
    let routes = View::new(|primitive| offers.items(primitive), servers());
    for primitive in [Primitive::Tool, Primitive::Prompt] {
        conflicts.extend(offers.add_names(primitive, found, &routes));
    }
    (View::new(|primitive| offers.items(primitive), servers()), conflicts)
}
