//! Time from what discovery found to a snapshot.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use mcp_gateway::{
    mcp::{Revision, members},
    routing::{
        Authority, CallCredential, Catalogue, Discovered, DiscoveredItem, ObjectName, Prefix, ServerSpec,
        Spec, Timeouts, compile,
    },
};
use url::Url;

use crate::{
    peers::tool,
    table::{count, median, section},
};

/// Servers, and tools of each.
const SIZES: [(usize, usize); 7] =
    [(1, 100), (1, 1_000), (1, 5_000), (100, 10), (100, 100), (1_000, 10), (1_000, 100)];

/// Compilations of each; the median counts.
const TIMES: usize = 7;

pub(crate) fn run() -> String {
    let rows = SIZES.map(|(servers, tools_each)| {
        let (spec, catalogue) = gateway(servers, tools_each);
        let times: [f64; TIMES] = std::array::from_fn(|_| {
            let began = Instant::now();
            let compiled = compile(&spec, &catalogue);
            let took = began.elapsed().as_secs_f64();
            drop(compiled);
            took
        });
        let (tools, took) = (servers * tools_each, median(&times));
        vec![
            count(servers),
            count(tools),
            format!("{:.2}", took * 1e3),
            format!("{:.2}", took * 1e6 / tools as f64),
        ]
    });
    section(
        "Compiling a snapshot",
        &format!("`routing::compile`, median of {TIMES}."),
        &["servers", "tools", "ms", "us a tool"],
        &rows,
    )
}

/// A configuration, and what discovery would have found.
fn gateway(servers: usize, tools_each: usize) -> (Spec, Catalogue) {
    let tools: Vec<DiscoveredItem> = (0..tools_each).map(discovered).collect();
    let (mut spec, mut found) = (Spec::default(), HashMap::new());
    for number in 0..servers {
        let name = format!("s{number:04}");
        spec.servers.push(ServerSpec {
            name: ObjectName::parse(&format!("scale/{name}")).unwrap(),
            url: Url::parse(&format!("http://127.0.0.1:9/{number}/mcp")).unwrap(),
            hostname: Authority::parse(&format!("{name}.mcp.local")).unwrap(),
            prefix: Prefix::parse(&format!("{name}_")).unwrap(),
            credential: None,
            call_credential: CallCredential::default(),
            enabled: true,
            ca_bundle: None,
            timeouts: Timeouts::default(),
        });
        let discovered = Discovered { tools: tools.clone(), ..Discovered::new(Revision::LATEST) };
        found.insert(spec.servers[number].name.clone(), Arc::new(discovered));
    }
    (spec, Catalogue { servers: found })
}

fn discovered(number: usize) -> DiscoveredItem {
    let json = Bytes::from(tool(number));
    let members = members(&json).unwrap();
    let name_span = members.iter().find(|(key, _)| key == "name").unwrap().1;
    DiscoveredItem { name: format!("tool_{number:04}").into(), name_span, hints: None, json }
}
