//! One measurement: wrk on one variant, and what its processes have used meanwhile.

use std::{
    io::Write as _,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::{
    call,
    common::fetched,
    fleet::Endpoint,
    plan::{Cell, Variant},
    process,
};

/// Ids of one run of wrk: more than it can use.
const IDS: u64 = 10_000_000;

/// What one run has shown. CPU is in microseconds a request, latency in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) router: Option<f64>,
    pub(crate) envoy: Option<f64>,
    pub(crate) resident_mib: Option<f64>,
}

/// Loads `endpoint` for `seconds`. Ends the benchmark at the first error.
pub(crate) async fn measure(cell: &Cell, variant: Variant, endpoint: &Endpoint, seconds: u32) -> Sample {
    let used = || [endpoint.router, endpoint.envoy].map(|pid| pid.map(process::cpu));
    let before = used();
    let result = wrk(cell, endpoint, seconds).await;
    let after = used();
    let requests = to_f64(result.requests);
    let each =
        |index: usize| Some(after[index]?.saturating_sub(before[index]?).as_secs_f64() * 1e6 / requests);
    assert!(result.errors == 0 && result.requests > 0, "{} on {variant}: {}", cell.name, result.line);
    endpoint.assert_whole(cell, result.requests, result.bytes);
    Sample {
        rate: requests / (to_f64(result.microseconds) / 1e6),
        p50: to_f64(result.p50),
        p99: to_f64(result.p99),
        p999: to_f64(result.p999),
        router: each(0),
        envoy: each(1),
        resident_mib: endpoint
            .router
            .map(|pid| to_f64(process::memory(&pid.to_string()).now as u64) / f64::from(1 << 20)),
    }
}

/// What `wrk.lua` prints.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) requests: u64,
    microseconds: u64,
    bytes: u64,
    pub(crate) errors: u64,
    p50: u64,
    p99: u64,
    p999: u64,
    line: String,
}

/// One run of wrk.
pub(crate) async fn wrk(cell: &Cell, endpoint: &Endpoint, seconds: u32) -> Measured {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    let mut body = NamedTempFile::new().expect("a temporary file");
    body.write_all(&call::body(&endpoint.tool(cell.tool), cell.body)).expect("a temporary file");
    let first: u64 = call::ID.parse::<u64>().expect("a number")
        + NEXT_ID.fetch_add(IDS, Ordering::Relaxed) % 8_000_000_000;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/calls/wrk.lua");
    let mut command = Command::new(fetched("wrk"));
    command.args(["--threads", "1", "--connections", &cell.connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"]).arg(script);
    command
        .arg(endpoint.url(cell.tool))
        .env("BENCH_BODY", body.path())
        .env("BENCH_SESSION", &endpoint.session);
    command.env("BENCH_FIRST_ID", first.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("wrk runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix("measured "));
    let line = line.unwrap_or_else(|| panic!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr)));
    let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let &[requests, microseconds, bytes, connect, read, write, status, timeout, p50, p99, p999] = &*numbers
    else {
        panic!("wrk: {line}")
    };
    let errors = connect + read + write + status + timeout;
    Measured { requests, microseconds, bytes, errors, p50, p99, p999, line: line.to_owned() }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a run of some seconds")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
