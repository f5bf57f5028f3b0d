//! The MCP server that answers for all servers, and the connections that discover them.
//!
//! ```text
//!  Spec --watch--> Publisher --starts--> Discovery, one a server --> upstream --> the server
//!                    |   ^-------News-------/
//!                    |--compile--> routing::Routes ------> app: POST /mcp (initialize, ping, lists)
//!                    |--Listings-------------------------> app: GET /mcp (notifications/…/list_changed)
//!                    \--Status---------------------------> admin: /status
//! ```
//!
//! **Invariant**: what a client says about itself is believed only in the sealed header of the router; what a
//! server says leaves this module only as an item of its lists, or as its instructions, bounded and under its name.

mod app;
mod discovery;
mod item;
mod limits;
mod listings;
mod page;
mod publisher;
mod status;
mod upstream;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{listings::Listings, publisher::Publisher};
use crate::{
    clock::UnixTime,
    credentials::Sealer,
    routing::{Routes, Spec},
    sessions::{Hairpin, Store},
    telemetry::Metrics,
};

pub use self::{
    limits::Pace,
    status::{Clash, ItemKind, Rejected, ServerStatus, Status, VirtualServerStatus},
};

/// What the broker shares with the router.
#[derive(Clone, Debug)]
pub struct Shared {
    pub routes: Arc<Routes>,
    pub sealer: Arc<Sealer>,
    pub store: Arc<Store>,
    pub hairpin: Arc<Hairpin>,
    pub metrics: Arc<Metrics>,
    pub clock: fn() -> UnixTime,
}

/// What an operator can choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From `initialize` to the end of a session, however busy it is.
    pub session_lifetime: Duration,
    pub pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self { session_lifetime: Duration::from_hours(24), pace: Pace::default() }
    }
}

/// The broker: [`Broker::run`] keeps the routes up to date, [`Broker::app`] answers clients.
#[derive(Debug)]
pub struct Broker {
    shared: Shared,
    options: Options,
    listings: watch::Sender<Listings>,
    status: watch::Sender<Arc<Status>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Broker {
    /// A broker that works until `stop`.
    pub fn new(shared: Shared, options: Options, stop: CancellationToken) -> Self {
        let (listings, status) = (watch::Sender::default(), watch::Sender::default());
        Self { shared, options, listings, status, tasks: TaskTracker::new(), stop }
    }

    /// Discovers the servers of the newest of `specs` and publishes what they offer. Ends after `stop`, once the sessions at
    /// servers are closed.
    pub async fn run(&self, specs: watch::Receiver<Arc<Spec>>) {
        let publisher = Publisher {
            routes: Arc::clone(&self.shared.routes),
            metrics: Arc::clone(&self.shared.metrics),
            listings: self.listings.clone(),
            status: self.status.clone(),
            clock: self.shared.clock,
            pace: self.options.pace,
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
        };
        publisher.run(specs).await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The HTTP service: `/mcp` and `/mcp/virtual/…`. Event streams end with `stop`, so that a graceful shutdown does
    /// not wait for them.
    pub fn app(&self) -> axum::Router {
        app::router(app::Endpoint::new(self))
    }

    /// The newest of what [`Broker::status`] shows.
    pub fn statuses(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    /// What `/status` shows.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.borrow())
    }
}
