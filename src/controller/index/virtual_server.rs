//! Virtual servers: all of the cluster go to every extension. A subset of the tools gives nobody more.

use std::collections::HashSet;

use super::cluster::{self, Cluster};
use crate::{
    controller::{
        crd::{MCPVirtualServer, MCPVirtualServerSpec},
        object::Key,
        status::{Check, Finding, reason},
    },
    routing::{ObjectName, VirtualServerSpec},
    source::Listed,
};

/// Most bytes of all virtual servers in a configuration.
const MAX_BYTES: usize = 2 << 20;

/// A virtual server, and what became of it.
#[derive(Debug)]
pub(super) struct VirtualServer<'a> {
    pub(super) key: &'a Key,
    pub(super) resource: &'a MCPVirtualServer,
    pub(super) accepted: Check,
    pub(super) spec: Option<VirtualServerSpec>,
}

/// All of them, the oldest first.
pub(super) fn all(cluster: &Cluster) -> Vec<VirtualServer<'_>> {
    let mut bytes = 0;
    cluster::by_age(&cluster.virtual_servers, |server| &server.metadata)
        .into_iter()
        .map(|(key, resource)| {
            let spec = read(key, &resource.spec).and_then(|spec| {
                // twice each name: JSON escapes some characters
                let names = [Some(&spec.tools), spec.prompts.as_ref(), spec.resources.as_ref()];
                let names = names.into_iter().flatten().flatten();
                bytes +=
                    names.map(|name| 2 * name.len() + 4).sum::<usize>() + 2 * spec.name.as_str().len() + 64;
                if bytes <= MAX_BYTES {
                    return Ok(spec);
                }
                let message = "the older virtual servers leave no room for it; list less, or delete some";
                Err(Finding::new(reason::TOO_MANY, message))
            });
            let accepted = spec.as_ref().map(|_| ()).map_err(Clone::clone);
            VirtualServer { key, resource, accepted, spec: spec.ok() }
        })
        .collect()
}

fn read(key: &Key, written: &MCPVirtualServerSpec) -> Check<VirtualServerSpec> {
    let invalid = |message| Finding::new(reason::INVALID, message);
    let name = ObjectName::parse(&key.to_string()).map_err(|error| invalid(error.to_string()))?;
    let list = |names: &[String], kind: Listed| {
        if let Some((name, rule)) = names.iter().find_map(|name| Some((name, kind.wrong(name)?))) {
            return Err(invalid(format!("spec.{}: {name:?} {rule}; correct it", kind.field())));
        }
        let mut seen = HashSet::new();
        Ok(names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect::<Vec<_>>())
    };
    let tools = list(&written.tools, Listed::Tools)?;
    if tools.is_empty() {
        return Err(invalid("spec.tools names no tool; list at least one".to_owned()));
    }
    let prompts = written.prompts.as_deref().map(|names| list(names, Listed::Prompts)).transpose()?;
    let resources = written.resources.as_deref().map(|names| list(names, Listed::Resources)).transpose()?;
    Ok(VirtualServerSpec { name, tools, prompts, resources })
}
