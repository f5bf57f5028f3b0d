//! Memory of a gateway that has discovered its servers and does nothing.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, mib, section},
};

/// Servers, tools of each, and whether they keep an event stream open to the broker.
const SIZES: [(usize, usize, Streams); 8] = [
    (1, 100, Streams::Refused),
    (1, 1_000, Streams::Refused),
    (100, 10, Streams::Refused),
    (100, 100, Streams::Refused),
    (1_000, 1, Streams::Refused),
    (1_000, 10, Streams::Refused),
    (1_000, 10, Streams::Quiet),
    (1_000, 100, Streams::Refused),
];

/// Until connections that nothing uses are closed, on both sides.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) async fn run() -> String {
    let mut rows = Vec::new();
    for (servers, tools_each, streams) in SIZES {
        let peers = Peers::start(servers, tools_each, streams).await;
        let subject = Subject::start(&peers).await;
        sleep(IDLE).await;
        let memory = subject.memory();
        eprintln!("scale: {servers} servers, {} tools: {memory:?}", peers.tools());
        let streams = if streams == Streams::Quiet { "yes" } else { "no" }.to_owned();
        let numbers = [memory.now, memory.own, memory.peak].map(mib);
        rows.push([vec![count(servers), count(peers.tools()), streams], numbers.to_vec()].concat());
    }
    section(
        "Memory, idle",
        "`mcp-gateway serve` after it has discovered all servers, MiB: resident (VmRSS), of that its own (RssAnon: without \
         the pages of the program), and the most it ever was (VmHWM). A tool is some 300 bytes of JSON.",
        &["servers", "tools", "with event streams", "resident", "own", "peak"],
        &rows,
    )
}
