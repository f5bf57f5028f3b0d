//! `Spec` and `Catalogue` to one `Snapshot`; what could not be offered is reported, never fatal.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Catalogue, ObjectName, Server, Snapshot, Spec, Tool, View};

/// A tool that is not offered because an earlier server has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub server: ObjectName,
    /// The exposed name.
    pub tool: Box<str>,
    /// Who has it.
    pub owner: ObjectName,
}

/// The state that answers requests from now on, and the names that clash.
///
/// Servers rank in the order of the `Spec`: of two that offer a name the earlier has it, and only that name of
/// the later is refused.
pub fn compile(spec: &Spec, catalogue: &Catalogue) -> (Snapshot, Vec<Conflict>) {
    let mut snapshot = Snapshot {
        public_hosts: spec.public_hosts.clone(),
        allowed_origins: spec.allowed_origins.clone(),
        servers: HashMap::new(),
        by_hostname: HashMap::new(),
        all: View::default(),
        virtual_servers: HashMap::new(),
        require_session: spec.require_session,
        limits: spec.limits,
    };
    let (mut tools, mut conflicts) = (Tools::default(), Vec::new());
    for server in &spec.servers {
        let found = catalogue.servers.get(&server.name);
        let compiled = Arc::new(Server::new(
            server,
            found.is_some_and(|found| found.issues_sessions),
            found.map(|found| found.revision),
        ));
        snapshot.by_hostname.entry(server.hostname.clone()).or_insert_with(|| Arc::clone(&compiled));
        if !server.enabled || snapshot.servers.contains_key(&server.name) {
            continue;
        }
        snapshot.servers.insert(server.name.clone(), Arc::clone(&compiled));
        for tool in found.iter().flat_map(|found| &found.tools) {
            conflicts.extend(tools.offer(Tool::of(&compiled, tool)));
        }
    }
    for named in &spec.virtual_servers {
        let view = View::new(
            named.tools.iter().filter_map(|name| tools.by_name.get(&**name)).map(Arc::clone).collect(),
        );
        snapshot.virtual_servers.insert(named.name.as_str().into(), view);
    }
    snapshot.all = View::new(tools.by_name.into_values().collect());
    (snapshot, conflicts)
}

#[derive(Default)]
struct Tools {
    by_name: HashMap<Box<str>, Arc<Tool>>,
}

impl Tools {
    fn offer(&mut self, tool: Tool) -> Option<Conflict> {
        if let Some(owner) = self.by_name.get(&tool.exposed) {
            let owner = owner.server.name.clone();
            return Some(Conflict { server: tool.server.name.clone(), tool: tool.exposed, owner });
        }
        self.by_name.insert(tool.exposed.clone(), Arc::new(tool));
        None
    }
}

/// Names of a virtual server's tools that no server offers now; for status, since a server may still come.
impl Snapshot {
    pub fn missing<'a>(&self, wanted: &'a [String]) -> Vec<&'a str> {
        let known: HashSet<&str> = self.all.tools().iter().map(|tool| &*tool.exposed).collect();
        wanted.iter().map(String::as_str).filter(|name| !known.contains(name)).collect()
    }
}
