//! Calls through real Envoy, side by side: nginx alone, Envoy alone, Envoy with a processor that does nothing, Envoy with
//! the gateway.
//!
//! Each cell of the plan is measured in rounds; a round loads every variant of the cell for a short while, each round in
//! another order. Ratios are made within a round; what is printed is the median of the rounds. Absolute numbers belong to
//! the machine, ratios less so.
//!
//! `BENCH_SECONDS` for each measurement, `BENCH_ROUNDS`, `BENCH_ONLY` (a part of the cells' names, `streams` or `bursts`).

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "a benchmark ends at what it cannot do"
)]

mod bootstrap;
mod bursts;
mod call;
#[path = "../../tests/common/mod.rs"]
mod common;
mod fleet;
mod load;
mod machine;
mod nginx;
mod plan;
#[allow(dead_code, reason = "shared with other benchmarks")]
#[path = "../process/mod.rs"]
mod process;
mod report;
#[path = "../results/mod.rs"]
mod results;
mod server;
mod streams;

use std::{collections::BTreeMap, env};

use fleet::Fleet;
use load::Sample;
use nginx::Nginx;
use plan::{Cell, Setup, Variant};
use server::McpServer;

/// What each round has shown of each variant of a cell.
type Samples = BTreeMap<Variant, Vec<Sample>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (seconds, rounds) = (number("BENCH_SECONDS", 2), number("BENCH_ROUNDS", 5));
    let only = env::var("BENCH_ONLY").unwrap_or_default();
    let cells: Vec<Cell> = plan::cells().into_iter().filter(|cell| cell.name.contains(&only)).collect();
    let runs: usize = cells.iter().map(|cell| cell.variants.len()).sum();
    let minutes = (runs as u64 * u64::from(rounds * seconds + 1)).div_ceil(60) + 1;
    eprintln!(
        "calls: {} cells, {rounds} rounds of {seconds} s for each variant; about {minutes} minutes",
        cells.len()
    );
    let server = McpServer::start().await;
    let nginx = Nginx::start(&server.address).await;
    let mut measured = Vec::new();
    for (setup, cells) in by_setup(cells) {
        let mut variants: Vec<Variant> = cells.iter().flat_map(|cell| cell.variants).copied().collect();
        variants.sort_unstable();
        variants.dedup();
        let fleet = Fleet::start(setup, &variants, &nginx, &server).await;
        for cell in cells {
            let samples = measure(&cell, &fleet, seconds, rounds).await;
            eprint!("{}", report::table(&cell, &samples));
            measured.push((cell, samples));
        }
    }
    let streams =
        if "streams".contains(&only) { streams::section(&nginx, &server).await } else { String::new() };
    let bursts =
        if "bursts".contains(&only) { bursts::section(&nginx, &server).await } else { String::new() };
    let page = report::page(&measured, &(streams + &bursts), seconds, rounds);
    results::section("calls", &page);
}

async fn measure(cell: &Cell, fleet: &Fleet, seconds: u32, rounds: u32) -> Samples {
    for &variant in cell.variants {
        let endpoint = fleet.endpoint(variant);
        endpoint.check(cell).await;
        load::measure(cell, variant, endpoint, 1).await; // warms up
    }
    let mut samples = Samples::new();
    for round in 0..rounds {
        let mut order = cell.variants.to_vec();
        order.rotate_left(round as usize % cell.variants.len());
        for variant in order {
            eprintln!("calls: {}, round {} of {rounds}, {variant}", cell.name, round + 1);
            let sample = load::measure(cell, variant, fleet.endpoint(variant), seconds).await;
            samples.entry(variant).or_default().push(sample);
        }
    }
    samples
}

/// Cells that run on the same processes, together.
fn by_setup(cells: Vec<Cell>) -> Vec<(Setup, Vec<Cell>)> {
    let mut groups: Vec<(Setup, Vec<Cell>)> = Vec::new();
    for cell in cells {
        match groups.iter_mut().find(|(setup, _)| *setup == cell.setup) {
            Some((_, group)) => group.push(cell),
            None => groups.push((cell.setup, vec![cell])),
        }
    }
    groups
}

fn number(name: &str, usual: u32) -> u32 {
    let Ok(text) = env::var(name) else { return usual };
    text.parse().ok().filter(|&number| number > 0).unwrap_or_else(|| panic!("{name} is no number: {text}"))
}
