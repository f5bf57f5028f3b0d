//! What the numbers belong to: machine, commit, versions.

use std::{fs, process::Command};

use crate::common::fetched;

/// One line for the page of results.
pub(crate) fn line() -> String {
    format!(
        "{}; {} cores; Linux {}; commit {}; {}; {}; {}.",
        cpu(),
        std::thread::available_parallelism().map_or(1, usize::from),
        read("/proc/sys/kernel/osrelease"),
        commit(),
        version("Envoy", "envoy", "--version"),
        version("nginx", "nginx", "-v"),
        version("wrk", "wrk", "-v"),
    )
}

fn cpu() -> String {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    // the page itself is no change
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches/RESULTS.md"]);
    let changed = if changes.is_empty() { "" } else { " + changes" };
    git(&["rev-parse", "--short=12", "HEAD"]) + changed
}

/// The first word of what the program says that is a version.
fn version(name: &str, thing: &str, flag: &str) -> String {
    let output = Command::new(fetched(thing)).arg(flag).output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let words = said.split([' ', '/', '\n']);
    let mut numbers =
        words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'));
    format!("{name} {}", numbers.next().unwrap_or_default())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
