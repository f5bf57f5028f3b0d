//! The suite against one server, while another whose names, ids, tokens and URIs are the same is never left alone.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    behind::Behind,
    crowd::crowd,
    fixture::Fixture,
    suite::{self, Run},
    through,
    verdict::OURS,
};

const MEMBERS: usize = 4;
/// What only an answer of the busy server has in it.
const BUSY: &str = "conformance-busy";
/// Scenarios that see what both servers say of themselves and what they offer.
const OF_BOTH: [&str; 5] =
    ["server-initialize", "dns-rebinding-protection", "tools-list", "resources-list", "prompts-list"];

#[tokio::test]
async fn every_scenario_passes_while_a_server_that_clashes_is_busy() {
    let (first, busy) = tokio::join!(Fixture::start(&[]), Fixture::start(&["--busy"]));
    let behind = Behind::start(&[("first", &first.url, ""), ("busy", &busy.url, "busy_")]).await;
    let done = AtomicBool::new(false);
    let suite = async {
        let run = suite::run(&behind.url).await;
        done.store(true, Ordering::Relaxed);
        run
    };
    let (run, seen) = tokio::join!(suite, crowd(&behind.url, MEMBERS, &done));
    assert!(seen.iter().all(|(rounds, updates)| *rounds > 0 && *updates > 0), "rounds, updates: {seen:?}");
    through::must_pass(&run, OURS);
    assert_eq!(leaked(&run), Vec::<String>::new());
}

/// Scenarios that saw something of the busy server where only the first was asked.
pub(crate) fn leaked(run: &Run) -> Vec<String> {
    let of_one = run.scenarios.iter().filter(|scenario| !OF_BOTH.contains(&scenario.name.as_str()));
    let checks = of_one.flat_map(|scenario| scenario.checks.iter().map(|check| (&scenario.name, check)));
    let leaking = checks.filter(|(_, check)| check.details.to_string().contains(BUSY));
    leaking.map(|(scenario, check)| format!("{scenario}: {}: {}", check.id, check.details)).collect()
}
