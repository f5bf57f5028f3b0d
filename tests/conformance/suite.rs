//! Runs the conformance suite against a URL, and reads what it found.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::common::{Process, eventually, fetched};

/// The revision whose scenarios run, those without a score too.
const REVISION: &str = "2025-11-25";
/// How long the suite gives a scenario; less than we give it.
const SCENARIO_MS: &str = "20000";

#[derive(Debug)]
pub(crate) struct Run {
    /// What the suite itself says of its scored scenarios.
    pub(crate) passed: bool,
    /// In the order in which they ran.
    pub(crate) scenarios: Vec<Scenario>,
}

#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Why the suite does not score it.
    pub(crate) unscored: Option<String>,
    pub(crate) checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) status: Status,
    #[serde(default, rename = "errorMessage")]
    pub(crate) error: Option<String>,
    /// What the suite has seen.
    #[serde(default)]
    pub(crate) details: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Success,
    Failure,
    Warning,
    Skipped,
    Info,
}

/// Runs every scenario of the revision against the server at `url`.
pub(crate) async fn run(url: &str) -> Run {
    let results = tempfile::tempdir().unwrap();
    let mut command = Command::new(fetched("node"));
    command.arg(fetched("conformance")).args(["server", "--url", url, "--requirements", REVISION]);
    command.args(["--timeout", SCENARIO_MS, "--output-dir"]).arg(results.path());
    let mut suite = Process::spawn("the conformance suite", command);
    follow(&mut suite, url).await;
    let status = eventually("the conformance suite ends", async || suite.ended()).await;
    Run { passed: status.success(), scenarios: read(&suite.log()) }
}

/// Says which scenario runs, until there is none left.
async fn follow(suite: &mut Process, url: &str) {
    for count in 1.. {
        let mut begun = 0;
        let next = suite
            .wait_for(&format!("what comes after scenario {}", count - 1), 0, |line| {
                begun += usize::from(line.starts_with("=== "));
                (begun == count).then(|| scenario_begun(line).map(str::to_owned))
            })
            .await;
        let Some(name) = next else { return };
        eprintln!("conformance of {url}: {count:2} {name}");
    }
}

fn scenario_begun(line: &str) -> Option<&str> {
    line.strip_prefix("=== Running scenario: ")?.strip_suffix(" ===")
}

/// What the suite's output leads to: a folder with the checks after each scenario, and those without a score at the end.
fn read(log: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for line in log.lines() {
        if let Some(name) = scenario_begun(line) {
            scenarios.push(Scenario { name: name.to_owned(), unscored: None, checks: Vec::new() });
        } else if let Some(folder) = line.strip_prefix("Results saved to ") {
            let file = Path::new(folder).join("checks.json");
            scenarios.last_mut().expect("results before any scenario").checks =
                serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        }
    }
    for (name, reason) in log.lines().filter_map(unscored) {
        let scenario = scenarios.iter_mut().find(|scenario| scenario.name == name);
        scenario.expect("it ran before it was listed").unscored = Some(reason.to_owned());
    }
    scenarios
}

/// A line of the list of those without a score: `  ✓ name (reason)`.
fn unscored(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("  ✓ ").or_else(|| line.strip_prefix("  ✗ "))?;
    line.strip_suffix(')')?.split_once(" (")
}
