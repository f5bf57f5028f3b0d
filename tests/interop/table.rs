//! The table of what works with what, as README.md has it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::servers::{Feature, Server};

const BEGIN: &str = "<!-- written by tests/interop -->\n";
const END: &str = "<!-- end -->";

#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) server: &'static str,
    pub(crate) works: Vec<Feature>,
    /// Something was not tried, since the client has no means for it.
    pub(crate) left_out: bool,
    pub(crate) failures: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Table {
    lines: Vec<String>,
    columns: usize,
    cells: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Table {
    pub(crate) fn new(servers: &[Server]) -> Self {
        let titles = servers.iter().map(|server| server.title.as_str()).collect::<Vec<_>>().join(" | ");
        let lines = vec![
            format!("| client \\ server | {titles} |"),
            format!("| --- |{}", " --- |".repeat(servers.len())),
        ];
        Self { lines, columns: servers.len(), cells: Vec::new(), failures: Vec::new() }
    }

    /// Adds a cell; rows fill up one after the other.
    pub(crate) fn add(&mut self, client: &str, cell: Cell) {
        let told = cell.failures.iter().map(|failure| format!("{client}, {}: {failure}", cell.server));
        self.failures.extend(told);
        let works = cell.works.iter().map(|feature| format!("{feature:?}").to_lowercase());
        self.cells.push(if cell.left_out { works.collect::<Vec<_>>().join(", ") } else { "all".to_owned() });
        if self.cells.len() == self.columns {
            self.lines.push(format!("| {client} | {} |", self.cells.join(" | ")));
            self.cells.clear();
        }
    }

    /// Compares with what the README says, or writes it there.
    pub(crate) fn hold_to_readme(&self) {
        let file = root().join("README.md");
        let readme = fs::read_to_string(&file).unwrap();
        let (before, rest) = readme.split_once(BEGIN).expect("README.md has no place for the table");
        let (said, after) = rest.split_once(END).expect("the table in README.md has no end");
        let table = self.lines.join("\n") + "\n";
        if std::env::var("UPDATE_README").is_ok() {
            fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
            return;
        }
        assert_eq!(said, table, "README.md is not what works: run with UPDATE_README=1");
    }
}

/// The version of a pinned Python package.
pub(crate) fn pinned(file: &str, package: &str) -> String {
    let pins = fs::read_to_string(root().join("tests/setup/pins").join(file)).unwrap();
    let line = pins.lines().find_map(|line| line.strip_prefix(&format!("{package}==")));
    line.unwrap().to_owned()
}

/// The version of a pinned npm package.
pub(crate) fn package(folder: &str, package: &str) -> String {
    let file = root().join("tests/setup/pins").join(folder).join("package.json");
    let pins: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    pins["dependencies"][package].as_str().unwrap().to_owned()
}

/// The version of a crate that we build with.
pub(crate) fn locked(package: &str) -> String {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
