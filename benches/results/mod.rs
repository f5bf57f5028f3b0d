//! The page of results: `benches/RESULTS.md`, one section a benchmark.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark ends at what it cannot do")]

use std::{env, fs, path::Path};

/// Prints `markdown` and, with `BENCH_RESULTS=write`, puts it in the place of the section `name` of the page.
///
/// A section stands between `<!-- NAME -->` and `<!-- /NAME -->`; a new one goes to the end.
pub(crate) fn section(name: &str, markdown: &str) {
    println!("{markdown}");
    if env::var_os("BENCH_RESULTS").is_none_or(|wish| wish != "write") {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let old = fs::read_to_string(&page).unwrap_or_default();
    fs::write(&page, replaced(&old, name, markdown)).expect("benches/RESULTS.md cannot be written");
}

fn replaced(page: &str, name: &str, markdown: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let section = format!("{begin}\n{}\n{end}", markdown.trim());
    match (page.split_once(&begin), page.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        _ => format!("{}\n\n{section}\n", page.trim_end()),
    }
}
