//! The protocol's conformance suite against our own fixture server: directly, so that a failure of the fixture is never
//! counted as the gateway's.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may say where it is"
)]

#[path = "../common/mod.rs"]
mod common;

mod fixture;
mod suite;
mod verdict;

use std::collections::BTreeSet;

use fixture::{Fixture, Listener, WATCHED};
use serde_json::json;
use verdict::complaints;

/// Scenarios without a score that fail against the fixture itself, and why.
const FAIL_DIRECTLY: [(&str, &str); 0] = [];

/// Fails where it takes what the busy fixture says about the same progress token for an answer.
const DISTURBED: &str = "tools-call-with-progress";

/// The busy fixture does nine things in turn.
const MESSAGES: usize = 27;

#[tokio::test]
async fn every_scenario_passes_directly_against_the_fixture() {
    let fixture = Fixture::start(&[]).await;
    let run = suite::run(&fixture.url).await;
    let complaints = complaints(&run.scenarios, &FAIL_DIRECTLY);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(run.passed, "the suite itself says that something failed");
}

#[tokio::test]
async fn the_busy_fixture_passes_what_its_noise_cannot_disturb() {
    let fixture = Fixture::start(&["--busy"]).await;
    let run = suite::run(&fixture.url).await;
    let complaints = complaints(&run.scenarios, &FAIL_DIRECTLY);
    let others: Vec<_> = complaints.iter().filter(|complaint| !complaint.starts_with(DISTURBED)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn the_busy_fixture_sends_what_clashes() {
    let busy = Fixture::start(&["--busy"]).await;
    let mut listener = Listener::open(&busy.url).await;
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
        let message = listener.next().await;
        unheard.remove(message["method"].as_str().unwrap());
    }
    assert!(unheard.is_empty(), "not among {MESSAGES} messages: {unheard:?}");
}

#[tokio::test]
async fn the_first_fixture_says_nothing_unasked() {
    let first = Fixture::start(&[]).await;
    let mut listener = Listener::open(&first.url).await;
    listener.call("touch_resource", &json!({"uri": "test://static-text"})).await;
    listener.call("touch_resource", &json!({"uri": WATCHED})).await;
    let heard = listener.next().await;
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["uri"], WATCHED);
}
