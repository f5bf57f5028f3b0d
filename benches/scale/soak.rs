//! An hour's worth of requests, as fast as they go: memory must stay where it is.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    clients::Clients,
    load::{calls, wrk},
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, mib, section},
};

/// 100 a second for an hour.
const CALLS: usize = 360_000;
/// One a second for an hour, from `initialize` to DELETE, with a list and a call between.
const LIVES: usize = 3_600;
/// Longest time for all of it; what is not done by then is not done.
const LONGEST: Duration = Duration::from_mins(4);
/// Connections of the calls, and sessions that they are made in.
const CONNECTIONS: usize = 32;
const SESSIONS: usize = 256;
/// Servers, and tools of each.
const SIZE: (usize, usize) = (10, 100);
/// Of one run of the load.
const SECONDS: f64 = 5.0;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run() -> String {
    let (servers, tools_each) = SIZE;
    let peers = Peers::start(servers, tools_each, Streams::Refused).await;
    let subject = Subject::start(&peers).await;
    let _envoy = subject.envoy().await;
    let idle = subject.memory().own;
    let (began, clients) = (Instant::now(), Clients::of(&subject));
    // by calls made so far
    let (mut looks, mut made, mut errors, mut lives) = (Vec::new(), 0, 0, 0);
    let sessions: Vec<String> = (0..SESSIONS).map(|_| subject.session()).collect();
    while made < CALLS && began.elapsed() < LONGEST {
        let (script, run) = (calls(&sessions, servers), Instant::now());
        let beside = async {
            let mut seen = Vec::new();
            loop {
                let wanted = LIVES * made / CALLS + (LIVES as f64 * SECONDS / LONGEST.as_secs_f64()) as usize;
                for _ in 0..wanted.saturating_sub(lives).min(50) {
                    clients.live("s0001_tool_0000").await;
                    lives += 1;
                }
                seen.push((run.elapsed(), subject.memory().own));
                sleep(LOOK).await;
                if run.elapsed().as_secs_f64() >= SECONDS {
                    return seen;
                }
            }
        };
        let (load, seen) = tokio::join!(wrk(&subject.listen, CONNECTIONS, SECONDS, &script), beside);
        let part = |at: Duration| (at.as_secs_f64() / load.seconds).min(1.0) * load.requests as f64;
        looks.extend(seen.into_iter().map(|(at, bytes)| (made as f64 + part(at), bytes as f64)));
        made += load.requests;
        errors += load.errors;
        eprintln!("scale: {made} of {CALLS} calls, {lives} sessions, {} MiB", mib(subject.memory().own));
    }
    let warm: Vec<(f64, f64)> =
        looks.iter().copied().filter(|(calls, _)| *calls >= made as f64 / 3.0).collect();
    let at = |index: usize| mib(warm[index].1 as usize);
    section(
        "Soak",
        &format!(
            "{} calls in {} sessions to {servers} servers through Envoy, each with an id of its own, and beside them {} sessions \
             from `initialize` to DELETE, each with a list and a call: as fast as they go, {:.0} s. Own memory (RssAnon), MiB; the \
             slope is that of a line through all looks after the first third.",
            count(made),
            count(SESSIONS),
            count(lives),
            began.elapsed().as_secs_f64()
        ),
        &["idle", "after a third", "at the end", "KiB more for each 100,000 calls", "errors"],
        &[vec![
            mib(idle),
            at(0),
            at(warm.len() - 1),
            format!("{:+.0}", slope(&warm) * 1e5 / 1024.0),
            count(errors),
        ]],
    )
}

/// Of the line with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    over / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}
