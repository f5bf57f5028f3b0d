//! The fixtures without the gateway, so that a failure of theirs is never counted as its.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    busy,
    fixture::Fixture,
    session::{Session, Stream},
    suite,
    verdict::{OURS, THE_GO_SDKS, complaints},
};

/// Fails where it takes what the busy fixture says about the same progress token for an answer.
const DISTURBED: &str = "tools-call-with-progress";
/// The resource that a listener subscribes to.
const WATCHED: &str = "test://watched-resource";
/// The busy fixture does nine things in turn.
const MESSAGES: usize = 27;

#[tokio::test]
async fn every_scenario_passes_directly_against_the_fixture() {
    let fixture = Fixture::start(&[]).await;
    let run = suite::run(&fixture.url).await;
    let complaints = complaints(&run.scenarios, &OURS);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(run.passed, "the suite itself says that something failed");
}

#[tokio::test]
async fn every_scored_scenario_passes_directly_against_the_go_sdks_fixture() {
    let fixture = Fixture::start_go().await;
    let run = suite::run(&fixture.url).await;
    let complaints = complaints(&run.scenarios, &THE_GO_SDKS);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(run.passed, "the suite itself says that something failed");
}

#[tokio::test]
async fn the_busy_fixture_passes_what_its_noise_cannot_disturb() {
    let fixture = Fixture::start(&["--busy"]).await;
    let run = suite::run(&fixture.url).await;
    let complaints = complaints(&run.scenarios, &OURS);
    let others: Vec<_> = complaints.iter().filter(|complaint| !complaint.starts_with(DISTURBED)).collect();
    assert!(others.is_empty(), "{others:#?}");
    // what `busy` looks for is there to be found
    assert!(busy::leaked(&run).len() > 5, "{:?}", run.scenarios);
}

#[tokio::test]
async fn the_busy_fixture_sends_what_clashes() {
    let busy = Fixture::start(&["--busy"]).await;
    let (_session, mut stream) = listener(&busy.url).await;
    let mut unheard = BTreeSet::from([
        "ping",
        "notifications/cancelled",
        "notifications/message",
        "notifications/progress",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/tools/list_changed",
    ]);
    for _ in 0..MESSAGES {
        let message = stream.next().await;
        unheard.remove(message["method"].as_str().unwrap());
    }
    assert!(unheard.is_empty(), "not among {MESSAGES} messages: {unheard:?}");
}

#[tokio::test]
async fn the_first_fixture_says_nothing_unasked() {
    let first = Fixture::start(&[]).await;
    let (session, mut stream) = listener(&first.url).await;
    for uri in ["test://static-text", WATCHED] {
        let touched = json!({"name": "touch_resource", "arguments": {"uri": uri}});
        let answer = session.ask(2, "tools/call", touched).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    let heard = stream.next().await;
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["uri"], WATCHED);
}

/// A session that listens, and is subscribed to one resource.
async fn listener(url: &str) -> (Session, Stream) {
    let session = Session::open(url, json!({})).await;
    let stream = session.listen().await;
    session.ask(1, "resources/subscribe", json!({"uri": WATCHED})).await;
    (session, stream)
}
