//! Memory of a live session.

use mcp_gateway::{
    clock,
    exchange::SessionId,
    mcp::Revision,
    sessions::{ServerSession, Store},
};

use crate::{
    clients::Clients,
    peers::{Peers, Streams},
    process,
    subject::Subject,
    table::{count, mib, section},
};

/// Sessions before the first look, so that connections and buffers are there.
const BEFORE: usize = 1_000;
/// Through Envoy and the gateway.
const LIVE: usize = 10_000;
/// In the store alone, which may have as many.
const STORED: usize = 100_000;

pub(crate) async fn run() -> String {
    let rows = [live().await, stored().await];
    section(
        "Memory of a live session",
        "What resident memory (RssAnon) grows by. Each session has called one server and has a session there; the gateway \
         also remembers which server ran each call.",
        &["", "sessions", "MiB", "bytes a session"],
        &rows,
    )
}

async fn live() -> Vec<String> {
    let peers = Peers::start(1, 10, Streams::Refused).await;
    let subject = Subject::start(&peers).await;
    let _envoy = subject.envoy().await;
    let clients = Clients::of(&subject);
    let sessions = |number: usize| (0..number).map(|_| subject.session()).collect::<Vec<_>>();
    clients.call_once(&sessions(BEFORE), 1).await;
    let before = subject.memory().own;
    clients.call_once(&sessions(LIVE), 1).await;
    row("the gateway, calls through Envoy", LIVE, subject.memory().own.saturating_sub(before))
}

async fn stored() -> Vec<String> {
    let before = process::memory("self").own;
    let store = Store::memory(STORED as u64, clock::now);
    let expires = clock::now().plus(std::time::Duration::from_hours(24));
    for number in 0..STORED {
        let (session, server) = (SessionId(fastrand::u128(..).to_be_bytes()), "mcp-test/github");
        let id = format!("{:016x}{number:016x}", fastrand::u64(..));
        let opener = async { ServerSession::new(id.as_bytes(), Revision::LATEST) };
        store.open(session, expires, server, None, opener).await.unwrap();
        store.note(session, "1", server);
    }
    let grown = process::memory("self").own.saturating_sub(before);
    drop(store);
    row("the store in memory alone", STORED, grown)
}

fn row(what: &str, sessions: usize, bytes: usize) -> Vec<String> {
    eprintln!("scale: {what}: {sessions} sessions, {bytes} bytes");
    vec![what.to_owned(), count(sessions), mib(bytes), count(bytes / sessions)]
}
