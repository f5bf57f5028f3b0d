//! Keeps a report within what a `ConfigMap` of all instances holds: details go before facts.

use super::Report;

/// Largest report, in bytes.
pub const MAX_BYTES: usize = 256 << 10;

/// How much of the details is told.
#[derive(Clone, Copy, Debug)]
struct Measure {
    /// Letters of a text.
    text: usize,
    /// Tools of a list that are named.
    tools: usize,
}

const MEASURES: [Measure; 4] = [
    Measure { text: 200, tools: 20 },
    Measure { text: 100, tools: 5 },
    Measure { text: 60, tools: 1 },
    Measure { text: 0, tools: 0 },
];

/// `report` as JSON of at most `limit` bytes, and whether it had to be cut more than any report is. `None`: not even the
/// bare facts fit.
pub fn bounded(report: &Report, limit: usize) -> Option<(String, bool)> {
    MEASURES.into_iter().enumerate().find_map(|(step, measure)| {
        let mut cut = report.clone();
        measure.apply(&mut cut);
        let text = serde_json::to_string(&cut).ok()?;
        (text.len() <= limit).then_some((text, step > 0))
    })
}

impl Measure {
    fn apply(self, report: &mut Report) {
        self.cut_option(&mut report.gateway.error);
        for server in report.servers.values_mut() {
            self.cut_option(&mut server.error);
            self.cut_option(&mut server.route_error);
            server.rejected.truncate(self.tools);
            server.clashes.truncate(self.tools);
            for tool in &mut server.rejected {
                self.cut(&mut tool.name);
                self.cut(&mut tool.reason);
            }
            for clash in &mut server.clashes {
                self.cut(&mut clash.tool);
                self.cut(&mut clash.owner);
            }
        }
        for named in report.virtual_servers.values_mut() {
            // one stays: an empty list would say that nothing is missing
            named.missing.truncate(self.tools.max(1));
            named.missing.iter_mut().for_each(|tool| self.cut(tool));
        }
    }

    fn cut(self, text: &mut String) {
        if let Some((end, _)) = text.char_indices().nth(self.text) {
            text.truncate(end);
            text.push('…');
        }
    }

    fn cut_option(self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.cut(text);
        }
        text.take_if(|_| self.text == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Clash, Rejected, ServerReport, VirtualServerReport};

    fn report(servers: usize, tools: usize, text: usize) -> Report {
        let long = "é".repeat(text);
        let server = ServerReport {
            fingerprint: "0123456789abcdef".to_owned(),
            reachable: true,
            tools: 50,
            rejected: vec![Rejected { name: "tool".to_owned(), reason: long.clone() }; tools],
            clashes: vec![Clash { tool: "tool".to_owned(), owner: "mcp-test/other".to_owned() }; tools],
            revision: Some("2025-11-25".to_owned()),
            error: Some(long.clone()),
            routed: Some(true),
            route_error: Some(long.clone()),
            guarded: Some(true),
        };
        let named = VirtualServerReport { tools: 3, missing: vec![long.clone(); tools] };
        let names = || (0..servers).map(|number| format!("mcp-test/server-{number}"));
        let mut report = Report::default();
        report.gateway.error = Some(long);
        report.servers = names().map(|name| (name, server.clone())).collect();
        report.virtual_servers = names().take(10).map(|name| (name, named.clone())).collect();
        report
    }

    #[test]
    fn a_small_report_is_told_as_it_is() {
        let report = report(3, 20, 200);
        let (text, is_cut) = bounded(&report, MAX_BYTES).unwrap();
        assert_eq!((serde_json::from_str::<Report>(&text).unwrap(), is_cut), (report, false));
    }

    #[test]
    fn lists_and_texts_are_never_longer_than_a_status_shows() {
        let (text, is_cut) = bounded(&report(1, 5_000, 5_000), MAX_BYTES).unwrap();
        let read: Report = serde_json::from_str(&text).unwrap();
        let server = &read.servers["mcp-test/server-0"];
        assert!(!is_cut && server.rejected.len() == 20 && server.clashes.len() == 20);
        assert_eq!(server.error.as_ref().unwrap().chars().count(), 201);
    }

    #[test]
    fn what_is_too_large_loses_details_and_no_fact() {
        for servers in [20, 200, 1_000] {
            let whole = report(servers, 20, 200);
            let (text, is_cut) = bounded(&whole, MAX_BYTES).unwrap();
            assert!(is_cut && text.len() <= MAX_BYTES, "{servers}: {}", text.len());
            let read: Report = serde_json::from_str(&text).unwrap();
            assert_eq!(read.servers.len(), servers);
            for (name, server) in &read.servers {
                let facts = |server: &ServerReport| {
                    (
                        server.fingerprint.clone(),
                        server.reachable,
                        server.tools,
                        server.routed,
                        server.guarded,
                    )
                };
                assert_eq!(facts(server), facts(&whole.servers[name]));
            }
            assert!(read.virtual_servers.values().all(|named| !named.missing.is_empty() && named.tools == 3));
        }
    }

    #[test]
    fn what_cannot_fit_is_not_told() {
        assert_eq!(bounded(&report(10, 0, 0), 1_000), None);
    }
}
