//! What grows with servers, tools, sessions and event streams, and what must not. `BENCH_ONLY=memory,lists` runs parts.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark ends at what it cannot do, and counts in floating point"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark is told by the environment what to run")]

mod clients;
#[path = "../../tests/common/mod.rs"]
mod common;
mod compile;
mod cost;
mod lists;
mod load;
mod memory;
mod peers;
#[path = "../process/mod.rs"]
mod process;
mod reload;
#[allow(unreachable_pub, reason = "shared with other benchmarks")]
#[path = "../results/mod.rs"]
mod results;
mod sessions;
mod soak;
mod streams;
mod subject;
mod table;

use std::{env, time::Instant};

/// In the order in which they stand in the results.
const PARTS: [&str; 8] = ["compile", "memory", "lists", "sessions", "streams", "cost", "reload", "soak"];

#[tokio::main]
async fn main() {
    let only = env::var("BENCH_ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').filter(|part| !part.is_empty()).collect();
    for part in &wanted {
        assert!(PARTS.contains(part), "BENCH_ONLY={part}: there are {}", PARTS.join(", "));
    }
    for part in PARTS.into_iter().filter(|part| wanted.is_empty() || wanted.contains(part)) {
        let began = Instant::now();
        eprintln!("scale: {part} ...");
        let found = match part {
            "compile" => compile::run(),
            "memory" => memory::run().await,
            "lists" => lists::run().await,
            "sessions" => sessions::run().await,
            "streams" => streams::run().await,
            "cost" => cost::run().await,
            "reload" => reload::run().await,
            _ => soak::run().await,
        };
        results::section(&format!("scale-{part}"), &found);
        eprintln!("scale: {part} took {:.0} s", began.elapsed().as_secs_f64());
    }
}
