//! What discovery would have found at the two servers of tests without servers.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use mcp_gateway::{
    mcp::{Revision, members},
    routing::{Catalogue, Discovered, DiscoveredItem, ObjectName},
};

/// `mcp-test/github` (issues sessions; `get_me`) and `mcp-test/time` (issues none; `now`).
pub(crate) fn catalogue() -> Catalogue {
    let mut servers = HashMap::new();
    for (name, issues_sessions, tool) in
        [("mcp-test/github", true, "get_me"), ("mcp-test/time", false, "now")]
    {
        let json = Bytes::from(format!(r#"{{"name":"{tool}","inputSchema":{{"type":"object"}}}}"#));
        let name_span = members(&json).unwrap().into_iter().find(|(key, _)| key == "name").unwrap().1;
        let tools = vec![DiscoveredItem { name: tool.into(), json, name_span, hints: None }];
        let discovered = Discovered { issues_sessions, tools, ..Discovered::new(Revision::V2025_06_18) };
        servers.insert(ObjectName::parse(name).unwrap(), Arc::new(discovered));
    }
    Catalogue { servers }
}
