//! What divan has printed, as a table of all scenarios.

use std::fmt::Write as _;

use super::SCENARIOS;

/// `None` where a scenario was not measured: a part of them was asked for.
pub(super) fn of(printed: &str) -> Option<String> {
    let mut table = String::from(
        "## Time and allocations of the pure core (divan)\n\n\
         | scenario | fastest | median | a byte | allocations | bytes allocated |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for scenario in SCENARIOS {
        let Measured { fastest, median, allocations, allocated } = Measured::read(printed, scenario.name)?;
        let a_byte = scenario.bytes.zip(nanoseconds(&fastest)).map(|(bytes, time)| per_byte(time, bytes));
        let a_byte = a_byte.unwrap_or_default();
        writeln!(
            table,
            "| {} | {fastest} | {median} | {a_byte} | {allocations} | {allocated} |",
            scenario.name
        )
        .ok()?;
    }
    Some(table)
}

/// One scenario, as divan writes it.
struct Measured {
    fastest: String,
    median: String,
    /// Growing one counts as another.
    allocations: f64,
    /// As they were asked for first.
    allocated: String,
}

impl Measured {
    /// A scenario has one line with its name and times, then groups of two lines (count, bytes) under their names.
    fn read(printed: &str, name: &str) -> Option<Self> {
        let mut lines = printed.lines().filter_map(cells);
        let (first, median) = lines.find(|(first, _)| first.contains(&format!("─ {name}  ")))?;
        let fastest = first.split_once(name)?.1.trim().to_owned();
        let mut measured = Self { fastest, median, allocations: 0.0, allocated: "0 B".to_owned() };
        let mut of_scenario = lines.take_while(|(first, _)| !first.contains('─'));
        while let Some((group, _)) = of_scenario.next() {
            let is_new = group.ends_with(" alloc:") && !group.ends_with("max alloc:");
            if !is_new && !group.ends_with("grow:") {
                continue;
            }
            measured.allocations += of_scenario.next()?.1.parse::<f64>().ok()?;
            let (_, bytes) = of_scenario.next()?;
            if is_new {
                measured.allocated = bytes;
            }
        }
        Some(measured)
    }
}

/// The first cell (name and fastest time) and the median of a line with all six.
fn cells(line: &str) -> Option<(String, String)> {
    let mut from_the_end = line.rsplitn(6, '│');
    let median = from_the_end.nth(2)?.trim().to_owned();
    Some((from_the_end.nth(2)?.trim_end().to_owned(), median))
}

fn nanoseconds(time: &str) -> Option<f64> {
    let (number, unit) = time.split_once(' ')?;
    let scale = match unit {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Where there are few bytes, what each costs says nothing.
fn per_byte(nanoseconds: f64, bytes: usize) -> String {
    match u32::try_from(bytes) {
        Ok(bytes @ 4096..) => format!("{:.2} ns", nanoseconds / f64::from(bytes)),
        Ok(_) | Err(_) => String::new(),
    }
}
