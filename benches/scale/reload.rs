//! Calls while the configuration is replaced again and again.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    load::{CHECKED, Load, calls, wrk},
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, median, section},
};

/// Servers, and tools of each.
const SIZE: (usize, usize) = (1_000, 10);
/// Between two configurations.
const EVERY: Duration = Duration::from_millis(500);
/// Connections of the load, in as many sessions.
const CONNECTIONS: usize = 32;
/// Rounds, each with reloads and without.
const ROUNDS: usize = 5;
/// Of each round, for either.
const SECONDS: f64 = 3.0;

pub(crate) async fn run() -> String {
    let (servers, tools_each) = SIZE;
    let peers = Peers::start(servers, tools_each, Streams::Refused).await;
    let subject = Subject::start(&peers).await;
    let _envoy = subject.envoy().await;
    let sessions: Vec<String> = (0..CONNECTIONS).map(|_| subject.session()).collect();
    let script = format!("{}{CHECKED}", calls(&sessions, 16));
    wrk(&subject.listen, CONNECTIONS, 1.0, &script).await; // opens the sessions at the servers
    let first = reloads(&subject).await;
    let (mut still, mut moved) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        eprintln!("scale: round {} of {ROUNDS}", round + 1);
        still.push(wrk(&subject.listen, CONNECTIONS, SECONDS, &script).await);
        tokio::select! {
            load = wrk(&subject.listen, CONNECTIONS, SECONDS, &script) => moved.push(load),
            () = rewrite(&subject, &peers) => {}
        }
    }
    let count_of = reloads(&subject).await - first;
    let row = |what: &str, loads: &[Load]| {
        let of = |number: fn(&Load) -> f64| median(&loads.iter().map(number).collect::<Vec<_>>());
        vec![
            what.to_owned(),
            format!("{:.0}", of(Load::rate)),
            format!("{:.2}", of(|load| load.p50.as_secs_f64() * 1e3)),
            format!("{:.2}", of(|load| load.p99.as_secs_f64() * 1e3)),
            count(loads.iter().map(|load| load.errors).sum()),
        ]
    };
    section(
        "Reload under load",
        &format!(
            "{} servers, {} tools; calls through Envoy with {CONNECTIONS} connections. A new configuration every {} ms ({count_of} \
             were taken in), and the same without, in {ROUNDS} interleaved rounds; medians.",
            count(servers),
            count(servers * tools_each),
            EVERY.as_millis()
        ),
        &["", "calls a second", "p50, ms", "p99, ms", "errors"],
        &[row("no reloads", &still), row("reloads", &moved)],
    )
}

/// Adds a virtual server and takes it away, for ever.
async fn rewrite(subject: &Subject, peers: &Peers) {
    let (plain, own) = (peers.config(), "virtualServers: [{name: scale/one, tools: [s0000_tool_0000]}]\n");
    let other = format!("{plain}{own}");
    for config in [&other, &plain].into_iter().cycle() {
        subject.gateway.write_config(config);
        sleep(EVERY).await;
    }
}

/// Configurations taken in so far.
async fn reloads(subject: &Subject) -> usize {
    let metrics = subject.gateway.page("/metrics").await;
    let good = r#"mcp_gateway_config_reloads_total{result="Succeeded"} "#;
    let number = metrics.lines().find_map(|line| line.strip_prefix(good));
    number.unwrap_or_else(|| panic!("no {good}in {metrics}")).parse().unwrap()
}
