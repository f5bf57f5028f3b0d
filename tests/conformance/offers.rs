//! What is offered through the gateway is what its servers offer: their capabilities, and every entry of every list.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{behind::Behind, common::PythonServer, fixture::Fixture, session::Session};

/// A list: its method, the member that has the entries, and the member of an entry that names it.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
];
/// Capabilities that the protocol knows; what else a server announces is between it and its own clients.
const CAPABILITIES: [&str; 13] = [
    "/completions",
    "/logging",
    "/prompts",
    "/prompts/listChanged",
    "/resources",
    "/resources/listChanged",
    "/resources/subscribe",
    "/tasks",
    "/tasks/cancel",
    "/tasks/list",
    "/tasks/requests/tools/call",
    "/tools",
    "/tools/listChanged",
];
/// Lists of which the gateway itself says when they have changed, whether or not the servers do: it asks them again,
/// and follows its configuration.
const LISTED: [(&str, &str); 3] = [
    ("/prompts", "/prompts/listChanged"),
    ("/resources", "/resources/listChanged"),
    ("/tools", "/tools/listChanged"),
];

#[tokio::test]
async fn the_capabilities_are_the_union_of_the_servers() {
    let (ours, python) = tokio::join!(Fixture::start(&[]), PythonServer::start(&[]));
    let python_url = python.url();
    let (one, other) = (announced(&ours.url).await, announced(&python_url).await);
    assert!(!other.contains("/logging") && one.contains("/logging"), "{one:?} {other:?}");
    assert!(other.contains("/prompts") && !other.contains("/prompts/listChanged"), "{other:?}");
    let both = Behind::start(&[("first", &ours.url, ""), ("python", &python_url, "py_")]).await;
    assert_eq!(announced(&both.url).await, through(&one | &other));
    let alone = Behind::start(&[("python", &python_url, "py_")]).await;
    assert_eq!(announced(&alone.url).await, through(other));
}

/// What the gateway announces of servers that announce `offered`.
fn through(offered: BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    let changing = LISTED.into_iter().filter(|(list, _)| offered.contains(list)).map(|(_, changed)| changed);
    &offered | &changing.collect()
}

#[tokio::test]
async fn what_a_server_says_about_itself_reaches_the_client() {
    let (first, busy) = tokio::join!(Fixture::start(&[]), Fixture::start(&["--busy"]));
    let behind = Behind::start(&[("first", &first.url, ""), ("busy", &busy.url, "busy_")]).await;
    let opened = Session::open(&behind.url, json!({})).await.opened;
    let instructions = opened["instructions"].as_str().unwrap_or_else(|| panic!("{opened}"));
    for own in ["signed conformance.", "signed conformance-busy."] {
        assert!(instructions.contains(own), "{own}: {instructions}");
    }
}

#[tokio::test]
async fn a_servers_lists_are_the_same_through_the_gateway() {
    for fixture in [Fixture::start(&[]).await, Fixture::start_go().await] {
        let behind = Behind::start(&[("first", &fixture.url, "")]).await;
        let (direct, through) = sessions(&fixture.url, &behind.url).await;
        for (list, member, _) in LISTS {
            let wanted = direct.entries(list, member).await;
            assert!(!wanted.is_empty(), "{list}");
            same(list, wanted, through.entries(list, member).await);
        }
    }
}

#[tokio::test]
async fn the_lists_of_two_servers_that_clash_have_every_entry_of_both() {
    let (first, busy) = tokio::join!(Fixture::start(&[]), Fixture::start(&["--busy"]));
    let behind = Behind::start(&[("first", &first.url, ""), ("busy", &busy.url, "busy_")]).await;
    let (direct, through) = sessions(&first.url, &behind.url).await;
    let others = Session::open(&busy.url, json!({})).await;
    for (list, member, key) in LISTS {
        let prefix = if key == "name" { "busy_" } else { "mcp-gateway://test/busy/" };
        let mut wanted = direct.entries(list, member).await;
        wanted.extend(others.entries(list, member).await.iter().map(|entry| exposed(entry, key, prefix)));
        same(list, wanted, through.entries(list, member).await);
    }
}

async fn sessions(direct: &str, through: &str) -> (Session, Session) {
    tokio::join!(Session::open(direct, json!({})), Session::open(through, json!({})))
}

/// In any order: the gateway's is by name.
fn same(list: &str, mut wanted: Vec<String>, mut found: Vec<String>) {
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted, "{list}");
}

/// An entry as it must be offered: with the prefix, and no other byte changed.
fn exposed(entry: &str, key: &str, prefix: &str) -> String {
    let parsed: Value = serde_json::from_str(entry).unwrap();
    let name = parsed[key].as_str().unwrap();
    let own = format!("\"{key}\":\"{name}\"");
    assert_eq!(entry.matches(&own).count(), 1, "{entry}");
    entry.replace(&own, &format!("\"{key}\":\"{prefix}{name}\""))
}

async fn announced(url: &str) -> BTreeSet<&'static str> {
    let capabilities = Session::open(url, json!({})).await.opened["capabilities"].clone();
    let has =
        |place: &&str| !matches!(capabilities.pointer(place), None | Some(Value::Null | Value::Bool(false)));
    CAPABILITIES.into_iter().filter(has).collect()
}
