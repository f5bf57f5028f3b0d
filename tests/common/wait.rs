//! Waiting for a condition, and ports that nobody uses.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take before a test gives up; generous, since machines are slow and shared.
pub const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Asks again until `probe` gives a value; panics with `what` when `DEADLINE` has passed.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        sleep(PAUSE).await;
    }
}

/// A TCP port on loopback that is free and that no other caller in this process was given.
///
/// Taken from below the range from which systems number outgoing connections, so that none of them can take it
/// between now and the start of the process that is to listen there.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    (0..1000)
        .map(|_| fastrand::u16(15_000..32_000))
        .find(|port| {
            !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok() && given.insert(*port)
        })
        .expect("no free port in 1000 tries")
}
