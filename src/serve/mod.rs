//! `mcp-gateway serve`: the router and the broker in one process, from the first address to the last exchange.

mod cluster;
mod follow;
mod gateway;
mod listeners;
mod readiness;

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    gateway::Gateway,
    listeners::{Listeners, Servers},
};
use crate::{config::Serve, telemetry};

/// Longest wait for the exchanges in flight once the process is to stop. With [`END`] it is less than the 30 s that
/// Kubernetes gives by default.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Longest wait for what is then left: closing sessions at servers, the admin listener.
pub const END: Duration = Duration::from_secs(3);

/// Sessions kept in memory at most; those not used for longest are forgotten first.
pub const MAX_SESSIONS: u64 = 100_000;

/// Serves until SIGTERM or SIGINT, then until the exchanges in flight have ended; a second signal ends it at once.
pub async fn run(options: Serve) -> Result<()> {
    telemetry::init(options.log_format, &options.log_level)?;
    let mut signals = Signals::new()?;
    let tasks = TaskTracker::new();
    let stops = Stops::default();
    let gateway = Gateway::new(&options, &tasks, &stops).await?;
    let listeners = Listeners::bind(&options).await?;
    listeners.announce()?;
    let servers = gateway.start(listeners, &tasks, &stops);

    let cause = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: exchanges in flight may end");
            None
        }
        failed = servers.failed() => Some(failed),
    };
    gateway.stop();
    stops.serving.cancel();
    tokio::select! {
        () = drain(servers, &tasks, &stops) => {}
        name = signals.next() => tracing::warn!(signal = name, "stopped at once: exchanges in flight are cut off"),
    }
    cause.map_or(Ok(()), Err)
}

async fn drain(servers: Servers, tasks: &TaskTracker, stops: &Stops) {
    servers.drain().await;
    stops.end.cancel();
    tasks.close();
    match timeout(END, tasks.wait()).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_elapsed) => tracing::warn!("stopped with work undone"),
    }
}

/// What ends when.
#[derive(Debug, Default)]
struct Stops {
    /// The listeners for Envoy, event streams, discovery.
    serving: CancellationToken,
    /// What is of use until the last exchange has ended.
    end: CancellationToken,
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
