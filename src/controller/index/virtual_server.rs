//! Virtual servers: all of the cluster go to every extension. A subset of the tools gives nobody more.

use std::collections::HashSet;

use super::cluster::{self, Cluster};
use crate::{
    controller::{
        crd::MCPVirtualServer,
        object::Key,
        status::{Check, Finding, reason},
    },
    routing::{ObjectName, VirtualServerSpec},
    source::is_tool_name,
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
            let spec = read(key, &resource.spec.tools).and_then(|spec| {
                // twice each name: JSON escapes some characters
                bytes += spec.tools.iter().map(|tool| 2 * tool.len() + 4).sum::<usize>()
                    + 2 * spec.name.as_str().len()
                    + 64;
                if bytes <= MAX_BYTES {
                    return Ok(spec);
                }
                let message =
                    "the older virtual servers leave no room for it; list fewer tools, or delete some";
                Err(Finding::new(reason::TOO_MANY, message))
            });
            let accepted = spec.as_ref().map(|_| ()).map_err(Clone::clone);
            VirtualServer { key, resource, accepted, spec: spec.ok() }
        })
        .collect()
}

fn read(key: &Key, tools: &[String]) -> Check<VirtualServerSpec> {
    let invalid = |message| Finding::new(reason::INVALID, message);
    let name = ObjectName::parse(&key.to_string()).map_err(|error| invalid(error.to_string()))?;
    if let Some(wrong) = tools.iter().find(|tool| !is_tool_name(tool)) {
        return Err(invalid(format!(
            "spec.tools: {wrong:?} is no name of a tool, which is 1 to 128 bytes without \
             blanks; correct it"
        )));
    }
    let mut seen = HashSet::new();
    let tools: Vec<String> = tools.iter().filter(|tool| seen.insert(tool.as_str())).cloned().collect();
    if tools.is_empty() {
        return Err(invalid("spec.tools names no tool; list at least one".to_owned()));
    }
    Ok(VirtualServerSpec { name, tools })
}
