//! The suite through a real Envoy and the gateway: nothing is expected to fail that does not fail directly.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    behind::Behind,
    fixture::Fixture,
    session::Session,
    suite::{self, Run},
    verdict::{Known, OURS, THE_GO_SDKS, complaints},
};

/// Streams of one session at the same time.
const STREAMS: i64 = 5;

#[tokio::test]
async fn every_scenario_passes_through_the_gateway() {
    passes_behind("envoy", &Fixture::start(&[]).await, OURS).await;
}

#[tokio::test]
async fn every_scenario_passes_through_the_gateway_and_the_oldest_envoy() {
    passes_behind("envoy-1.36", &Fixture::start(&[]).await, OURS).await;
}

#[tokio::test]
async fn every_scored_scenario_passes_through_the_gateway_to_the_go_sdks_fixture() {
    passes_behind("envoy", &Fixture::start_go().await, THE_GO_SDKS).await;
}

#[tokio::test]
async fn streams_at_once_do_not_mix() {
    let fixture = Fixture::start(&[]).await;
    let behind = Behind::start(&[("first", &fixture.url, "")]).await;
    let session = Session::open(&behind.url, json!({"elicitation": {}})).await;
    let calls = (0..STREAMS).map(async |number| {
        let token = format!("token-{number}");
        let asked = json!({"name": "test_tool_with_progress", "_meta": {"progressToken": token}});
        let mut stream = session.begin(number, "tools/call", asked).await;
        for progress in [0, 50, 100] {
            let said = stream.next().await;
            assert_eq!(said["method"], "notifications/progress", "{said}");
            assert_eq!(said["params"], json!({"progressToken": token, "progress": progress, "total": 100}));
        }
        let answer = stream.next().await;
        assert_eq!(answer["id"], number, "{answer}");
        assert_eq!(answer["result"]["content"][0]["text"], "conformance: progressed", "{answer}");
    });
    join_all(calls).await;
}

async fn passes_behind(envoy: &str, fixture: &Fixture, known: Known) {
    let behind = Behind::start_version(envoy, &[("first", &fixture.url, "")]).await;
    must_pass(&suite::run(&behind.url).await, known);
}

/// That a run through the gateway is what the direct one is.
pub(crate) fn must_pass(run: &Run, known: Known) {
    let complaints = complaints(&run.scenarios, &known.behind_the_gateway());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(run.passed, "the suite itself says that something failed");
}
