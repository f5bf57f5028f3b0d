//! What one call costs the router, with more servers, tools and sessions.

use crate::{
    clients::Clients,
    common::Envoy,
    load::{CHECKED, calls, wrk},
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, median, section},
};

/// Servers, tools of each, and sessions that are live beside those that call. The first is what the others are held against.
const SIZES: [(usize, usize, usize); 5] =
    [(1, 100, 0), (1, 100, 10_000), (100, 1, 0), (100, 1_000, 0), (1_000, 10, 0)];
/// Connections of the load, in as many sessions; all call one server.
const CONNECTIONS: usize = 32;
/// Rounds over all sizes.
const ROUNDS: usize = 7;
/// Of each size in each round.
const SECONDS: f64 = 1.0;

struct Setting {
    subject: Subject,
    _envoy: Envoy,
    _peers: Peers,
    /// Microseconds of the router's CPU a call, of each round.
    costs: Vec<f64>,
}

pub(crate) async fn run() -> String {
    let mut settings = Vec::new();
    for (servers, tools_each, sessions) in SIZES {
        let peers = Peers::start(servers, tools_each, Streams::Refused).await;
        let subject = Subject::start(&peers).await;
        let envoy = subject.envoy().await;
        let sessions: Vec<String> = (0..sessions).map(|_| subject.session()).collect();
        Clients::of(&subject).call_once(&sessions, 1).await;
        settings.push(Setting { subject, _envoy: envoy, _peers: peers, costs: Vec::new() });
    }
    let mut errors = 0;
    let callers: Vec<String> = (0..CONNECTIONS).map(|_| settings[0].subject.session()).collect();
    let script = format!("{}{CHECKED}", calls(&callers, 1));
    for round in 0..ROUNDS {
        eprintln!("scale: round {} of {ROUNDS}", round + 1);
        for setting in &mut settings {
            let before = setting.subject.cpu();
            let load = wrk(&setting.subject.listen, CONNECTIONS, SECONDS, &script).await;
            let spent = setting.subject.cpu().saturating_sub(before);
            errors += load.errors;
            setting.costs.push(spent.as_secs_f64() * 1e6 / load.requests as f64);
        }
    }
    let rows = SIZES.iter().zip(&settings).map(|(&(servers, tools_each, sessions), setting)| {
        let pairs = setting.costs.iter().zip(&settings[0].costs);
        let ratios: Vec<f64> = pairs.map(|(cost, first)| cost / first).collect();
        vec![
            count(servers),
            count(servers * tools_each),
            count(sessions),
            format!("{:.1}", median(&setting.costs)),
            format!("{:.2}", median(&ratios)),
        ]
    });
    section(
        "Cost of a call",
        &format!(
            "Microseconds of the router's CPU for a `tools/call` through Envoy with {CONNECTIONS} connections, and the ratio to \
             the first row: medians of {ROUNDS} interleaved rounds. Errors: {errors}."
        ),
        &["servers", "tools", "other live sessions", "us a call", "ratio"],
        &rows.collect::<Vec<_>>(),
    )
}
