//! Instructions of the pure core, counted by callgrind: the same on a busy machine and on an idle one.
//!
//! The program runs itself under `valgrind`, once for each scenario. Only what [`measured`] calls is counted.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends at what it cannot do"
)]

#[path = "../results/mod.rs"]
mod results;
#[path = "../workload/mod.rs"]
mod workload;

use std::{
    collections::HashMap,
    env,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use workload::{Run, SCENARIOS, Scenario};

/// The scenario to run, for the program under `valgrind`.
const SCENARIO: &str = "BENCH_SCENARIO";
/// Runs before counting begins: what is made once is made.
const WARM_UP: usize = 10;
/// Runs that are counted.
const RUNS: u64 = 100;

fn main() {
    if let Ok(name) = env::var(SCENARIO) {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario");
        let mut run = scenario.prepare();
        (0..WARM_UP).for_each(|_| run());
        return measured(&mut run);
    }
    if let Err(error) = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status() {
        eprintln!(
            "NOT MEASURED: instructions. valgrind cannot be run ({error}); install it (Debian: valgrind)"
        );
        return;
    }
    let filters: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |scenario: &&Scenario| filters.iter().all(|filter| scenario.name.contains(filter));
    let baseline = baseline();
    let mut table = String::from("| scenario | instructions | a byte |\n| --- | ---: | ---: |\n");
    for scenario in SCENARIOS.iter().filter(is_wanted) {
        let count = instructions(scenario);
        let change = baseline.get(scenario.name).map_or("new".to_owned(), |before| changed(*before, count));
        eprintln!("{}: {count} ({change})", scenario.name);
        let a_byte = scenario.bytes.map(|bytes| format!("{:.2}", ratio(count, bytes as u64)));
        writeln!(table, "| {} | {count} | {} |", scenario.name, a_byte.unwrap_or_default())
            .expect("a text takes it");
    }
    if filters.is_empty() {
        results::section("instructions", &format!("## Instructions (callgrind)\n\n{table}"));
    }
}

/// What is counted. Its name is what `valgrind` is told.
#[inline(never)]
fn measured(run: &mut Run) {
    (0..RUNS).for_each(|_| run());
}

fn instructions(scenario: &Scenario) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*::measured*")
        .arg(env::current_exe().expect("the path of this program"))
        .env(SCENARIO, scenario.name)
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    match collected.and_then(|count| count.parse::<u64>().ok()) {
        Some(count) if output.status.success() && count > 0 => count / RUNS,
        _ => panic!("{} was not counted: {said}", scenario.name),
    }
}

/// The instructions of each scenario as the page of results has them.
fn baseline() -> HashMap<String, u64> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let page = fs::read_to_string(page).unwrap_or_default();
    let section = page.split("<!-- instructions -->").nth(1).unwrap_or_default();
    let rows = section.split("<!-- /instructions -->").next().unwrap_or_default().lines();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
    };
    rows.filter_map(row).collect()
}

fn changed(before: u64, now: u64) -> String {
    format!("{:+.1} % against the page of results", (ratio(now, before) - 1.0) * 100.0)
}

#[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}
