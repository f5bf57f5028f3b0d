//! The `check` command: every mistake of a file, as editors and people read them.

use std::{fmt::Write as _, path::Path};

use super::{Loaded, Overrides, Problem, document, read};

/// What the command prints, and the exit code of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Checked {
    /// Ends with a line end.
    pub text: String,
    /// 0: the file is good; 1: it is not.
    pub code: u8,
}

/// Checks the configuration file at `path`.
pub fn check(path: &Path, overrides: &Overrides) -> Checked {
    match read(path, overrides) {
        Ok(loaded) => Checked { text: warnings(path, &loaded.warnings) + &summary(path, &loaded), code: 0 },
        Err(problems) => Checked { text: report(path, &problems), code: 1 },
    }
}

/// The JSON Schema of configuration files, for `check --schema` and editors.
pub fn schema_text() -> String {
    let text = serde_json::to_string_pretty(document::schema().as_value());
    text.unwrap_or_default() + "\n"
}

/// `FILE:LINE:COLUMN: PLACE: what is wrong`, and below it what to do; one after the other.
pub fn report(path: &Path, problems: &[Problem]) -> String {
    lines(path, problems, "")
}

/// As [`report`].
pub fn warnings(path: &Path, warnings: &[Problem]) -> String {
    lines(path, warnings, "warning: ")
}

fn lines(path: &Path, problems: &[Problem], kind: &str) -> String {
    let mut text = String::new();
    for Problem { line, column, path: place, message, fix } in problems {
        let position = if *line > 0 { format!(":{line}:{column}") } else { String::new() };
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}{position}: {kind}{place}{message}\n  fix: {fix}", path.display());
    }
    text
}

fn summary(path: &Path, Loaded { spec, .. }: &Loaded) -> String {
    let mut text = format!("{} is good\n", path.display());
    for host in &spec.public_hosts {
        let _ = writeln!(text, "  public host    {host}");
    }
    for server in &spec.servers {
        let disabled = if server.enabled { "" } else { " (disabled)" };
        // Without the query, which some servers take keys in.
        let mut url = server.url.clone();
        url.set_query(None);
        let _ = writeln!(text, "  server         {} -> {url} as {}{disabled}", server.name, server.hostname);
    }
    for named in &spec.virtual_servers {
        let _ = writeln!(text, "  virtual server {} of {} tools", named.name, named.tools.len());
    }
    text
}
