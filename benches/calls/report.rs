//! The page of results: a table a cell, medians of the rounds, ratios to the floor.

use std::fmt::Write as _;

use crate::{
    Samples, bootstrap,
    load::Sample,
    machine,
    plan::{BodyMode, Cell, Transport, Variant},
};

/// A column: its title, how many digits it has, and what it shows.
type Column = (&'static str, usize, fn(&Sample) -> Option<f64>);

const COLUMNS: [Column; 7] = [
    ("requests/s", 0, |sample| Some(sample.rate)),
    ("p50, ms", 2, |sample| Some(sample.p50 / 1e3)),
    ("p99, ms", 2, |sample| Some(sample.p99 / 1e3)),
    ("p99.9, ms", 2, |sample| Some(sample.p999 / 1e3)),
    ("processor, us", 1, |sample| sample.router),
    ("Envoy, us", 1, |sample| sample.envoy),
    ("processor, MiB", 1, |sample| sample.resident_mib),
];

/// The whole section.
pub(crate) fn page(measured: &[(Cell, Samples)], streams: &str, seconds: u32, rounds: u32) -> String {
    let mut page = format!(
        "## Calls through Envoy\n\n{}\n\n\
         Medians of {rounds} rounds of {seconds} s for each variant, interleaved; in brackets the ratio to the no-op on the \
         same transport and body mode, within a round; where the body changes, then that to the no-op that sends it back. Processor and Envoy: CPU a request. MiB: resident memory after the measurement; the processes serve one cell of a setup after the other. A request that fails ends the measurement. {}\n",
        machine::line(),
        bootstrap::DIFFERENCES,
    );
    for (cell, samples) in measured {
        page.push('\n');
        page.push_str(&table(cell, samples));
    }
    page + streams
}

/// One cell.
pub(crate) fn table(cell: &Cell, samples: &Samples) -> String {
    let setup = cell.setup;
    let transport = if setup.transport == Transport::Tcp { "TCP" } else { "Unix socket" };
    let mode = if setup.body_mode == BodyMode::Buffered { "BUFFERED" } else { "FULL_DUPLEX_STREAMED" };
    let mut table = format!(
        "### {}\n\n{} bytes, answer {}, {} connections, {transport}, {mode}, {} servers\n\n|",
        cell.name,
        cell.body,
        cell.tool.name(),
        cell.connections,
        2 + setup.others,
    );
    for title in [""].into_iter().chain(COLUMNS.map(|(title, ..)| title)) {
        _ = write!(table, " {title} |");
    }
    table.push_str("\n|");
    (0..=COLUMNS.len()).for_each(|_| table.push_str(" --- |"));
    for &variant in cell.variants {
        _ = write!(table, "\n| {variant} |");
        for column in COLUMNS {
            _ = write!(table, " {} |", field(column, variant, samples));
        }
    }
    table.push('\n');
    table
}

fn field((_, digits, show): Column, variant: Variant, samples: &Samples) -> String {
    let values: Vec<Option<f64>> = samples[&variant].iter().map(show).collect();
    let Some(value) = values.iter().copied().collect::<Option<Vec<_>>>().map(median) else {
        return String::new();
    };
    let mut text = format!("{value:.digits$}");
    let ratio = |floor: Variant| {
        let floor = samples.get(&floor).into_iter().flatten().map(show);
        let ratios = values.iter().zip(floor).map(|(value, floor)| Some((*value)? / floor?));
        ratios.collect::<Option<Vec<f64>>>().filter(|ratios| !ratios.is_empty()).map(median)
    };
    if let Some(to_no_op) = ratio(Variant::NoOp) {
        _ = write!(text, " ({to_no_op:.2}");
        let to_echo = ratio(Variant::NoOpEcho).filter(|_| !variant.prefix().is_empty());
        if let Some(ratio) = to_echo {
            _ = write!(text, "; {ratio:.2}");
        }
        text.push(')');
    }
    text
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
