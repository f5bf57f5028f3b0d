//! Time and allocations of the pure core (divan), and a table of them.
//!
//! Divan prints and says nothing else: the program runs itself, shows what it prints, and makes the table of that.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends at what it cannot do"
)]

#[path = "../results/mod.rs"]
mod results;
mod table;
#[path = "../workload/mod.rs"]
mod workload;

use std::{
    env,
    process::{Command, Stdio},
};

use divan::{AllocProfiler, Bencher};

use workload::{SCENARIOS, Scenario};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Set for the program that measures.
const MEASURES: &str = "BENCH_MEASURES";

#[divan::bench(args = SCENARIOS)]
fn core(bencher: Bencher<'_, '_>, scenario: &Scenario) {
    bencher.bench_local(scenario.prepare());
}

fn main() {
    if env::var_os(MEASURES).is_some() {
        return divan::main();
    }
    let output = Command::new(env::current_exe().expect("the path of this program"))
        .args(env::args_os().skip(1))
        .env(MEASURES, "1")
        .stderr(Stdio::inherit())
        .output()
        .expect("this program");
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    assert!(output.status.success(), "divan has failed");
    if let Some(table) = table::of(&printed) {
        results::section("micro", &table);
    }
}
