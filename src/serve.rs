//! `mcp-gateway serve`: the router and the broker in one process, from the first address to the last exchange.

use std::{
    future::IntoFuture as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use axum::serve::ListenerExt as _;
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin,
    broker::{self, Broker},
    clock,
    config::Serve,
    credentials::{KeyRing, Sealer},
    ext_proc,
    routing::{Routes, Spec},
    sessions::{Hairpin, Store},
    source::{self, SourceStatus, Watched},
    telemetry::{self, Attempt, Metrics},
};

/// Longest wait for the exchanges in flight once the process is to stop. With [`END`] it is less than the 30 s that
/// Kubernetes gives by default.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Longest wait for what is then left: closing sessions at servers, the admin listener.
pub const END: Duration = Duration::from_secs(3);

/// Sessions kept in memory at most; those not used for longest are forgotten first.
pub const MAX_SESSIONS: u64 = 100_000;

/// How often it is looked whether the first routes are there.
const POLL: Duration = Duration::from_millis(20);

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
    gateway.is_stopping.store(true, Ordering::Relaxed);
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

/// Taken addresses.
struct Listeners {
    ext_proc: ext_proc::Bound,
    broker: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    async fn bind(options: &Serve) -> Result<Self> {
        Ok(Self {
            ext_proc: options.ext_proc_listen.bind().await.context("--ext-proc-listen")?,
            broker: bind(options.broker_listen, "--broker-listen").await?,
            admin: bind(options.admin_listen, "--admin-listen").await?,
        })
    }

    /// Says the real addresses, where port 0 was asked for, too.
    fn announce(&self) -> Result<()> {
        let (ext_proc, broker, admin) =
            (self.ext_proc.address()?, self.broker.local_addr()?, self.admin.local_addr()?);
        tracing::info!(%ext_proc, %broker, %admin, version = env!("CARGO_PKG_VERSION"), "serving");
        Ok(())
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({flag})"))
}

/// Everything that serves, before it listens.
struct Gateway {
    watched: Watched,
    routes: Arc<Routes>,
    broker: Arc<Broker>,
    router: ext_proc::Router,
    hairpin: Arc<Hairpin>,
    metrics: Arc<Metrics>,
    is_stopping: Arc<AtomicBool>,
}

impl Gateway {
    async fn new(options: &Serve, tasks: &TaskTracker, stops: &Stops) -> Result<Self> {
        let file = &options.configuration.file;
        let overrides = options.configuration.overrides();
        let watched =
            source::watch(file, &overrides, clock::now, tasks, stops.end.clone()).map_err(|problems| {
                anyhow!("the configuration is wrong\n{}", source::report(file, &problems).trim_end())
            })?;
        let keys = key_ring(options.session_key_file.as_deref())?;
        let sealer = Arc::new(Sealer::new(keys, clock::now));
        let store = Arc::new(store(options).await?);
        let host = public_host(&watched.spec.borrow());
        let hairpin = Arc::new(Hairpin::new(&options.private_host, &host, Arc::clone(&sealer))?);
        let (routes, metrics) = (Arc::new(Routes::default()), Arc::new(Metrics::new()));
        let shared = broker::Shared {
            routes: Arc::clone(&routes),
            sealer: Arc::clone(&sealer),
            store: Arc::clone(&store),
            hairpin: Arc::clone(&hairpin),
            metrics: Arc::clone(&metrics),
            clock: clock::now,
        };
        let lifetime =
            broker::Options { session_lifetime: options.session_lifetime, ..broker::Options::default() };
        let broker = Arc::new(Broker::new(shared, lifetime, stops.serving.clone()));
        let router = ext_proc::Router::new(ext_proc::Parts {
            routes: Arc::clone(&routes),
            sealer,
            store,
            hairpin: Arc::clone(&hairpin),
            metrics: Arc::clone(&metrics),
        });
        let is_stopping = Arc::default();
        Ok(Self { watched, routes, broker, router, hairpin, metrics, is_stopping })
    }

    /// Starts all of it; the tasks end with `stops`.
    fn start(&self, listeners: Listeners, tasks: &TaskTracker, stops: &Stops) -> Servers {
        let (ready, is_ready) = watch::channel(false);
        let (routes, is_stopping) = (Arc::clone(&self.routes), Arc::clone(&self.is_stopping));
        let stopping = stops.serving.clone();
        tasks.spawn(async move {
            while routes.load().is_none() && !stopping.is_cancelled() {
                sleep(POLL).await;
            }
            ready.send_replace(!is_stopping.load(Ordering::Relaxed));
            stopping.cancelled().await;
            ready.send_replace(false);
        });
        let (broker, specs) = (Arc::clone(&self.broker), self.watched.spec.clone());
        tasks.spawn(async move { broker.run(specs).await });
        let (status, metrics) = (self.watched.status.clone(), Arc::clone(&self.metrics));
        tasks.spawn(until(stops.end.clone(), count_reloads(status, metrics)));
        let (specs, hairpin) = (self.watched.spec.clone(), Arc::clone(&self.hairpin));
        tasks.spawn(until(stops.end.clone(), follow_public_host(specs, hairpin)));

        let admin_app = admin::app(self.sources());
        tasks.spawn(serve_http("the admin page", listeners.admin, admin_app, stops.end.clone()));
        let servers = Servers::default();
        let (router, stopping) = (self.router.clone(), stops.serving.clone().cancelled_owned());
        servers.spawn(async move {
            ext_proc::serve(listeners.ext_proc, router, is_ready, stopping)
                .await
                .context("the router has failed")
        });
        servers.spawn(serve_http("the broker", listeners.broker, self.broker.app(), stops.serving.clone()));
        servers
    }

    fn sources(&self) -> admin::Sources {
        let (routes, is_stopping) = (Arc::clone(&self.routes), Arc::clone(&self.is_stopping));
        let (broker, source) = (Arc::clone(&self.broker), self.watched.status.clone());
        let ready = move || match routes.load() {
            _ if is_stopping.load(Ordering::Relaxed) => Err("stopping".to_owned()),
            None => Err("no configuration is served yet".to_owned()),
            Some(_) => Ok(()),
        };
        let status = move || {
            let broker = broker.status();
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "source": *source.borrow(),
                "servers": broker.servers,
                "virtualServers": broker.virtual_servers,
            })
        };
        admin::Sources {
            ready: Arc::new(ready),
            status: Arc::new(status),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

/// The listeners that exchanges come in by.
#[derive(Default)]
struct Servers {
    tasks: TaskTracker,
    /// The first one that has failed.
    failure: watch::Sender<Option<Arc<anyhow::Error>>>,
}

impl Servers {
    fn spawn(&self, server: impl Future<Output = Result<()>> + Send + 'static) {
        let failure = self.failure.clone();
        self.tasks.spawn(async move {
            if let Err(error) = server.await {
                failure.send_replace(Some(Arc::new(error)));
            }
        });
    }

    /// Waits until one of them fails.
    async fn failed(&self) -> anyhow::Error {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(error)) => anyhow!("{error:#}"),
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until all exchanges have ended, up to [`DRAIN`].
    async fn drain(&self) {
        self.tasks.close();
        if timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                seconds = DRAIN.as_secs(),
                "exchanges in flight have not ended in time and are cut off"
            );
        }
    }
}

async fn serve_http(
    name: &'static str,
    listener: TcpListener,
    app: axum::Router,
    stop: CancellationToken,
) -> Result<()> {
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
    });
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).into_future();
    served.await.with_context(|| format!("{name} has failed"))
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Without a file, one that ends with the process.
fn key_ring(file: Option<&Path>) -> Result<KeyRing> {
    let Some(file) = file else {
        tracing::warn!(
            "no session key: one is made, and sessions end with this process; give it one with --session-key-file"
        );
        return KeyRing::generate().context("cannot make a session key");
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the session key file {}", file.display()))?;
    KeyRing::parse(&text).with_context(|| format!("the session key file {} is wrong", file.display()))
}

async fn store(options: &Serve) -> Result<Store> {
    match &options.redis_url {
        None => Ok(Store::memory(MAX_SESSIONS, clock::now)),
        Some(url) => {
            Store::redis(url.as_str(), clock::now).await.context("the value of --redis-url is wrong")
        }
    }
}

/// What the gateway's own requests name as their host.
fn public_host(spec: &Spec) -> String {
    spec.public_hosts.first().map(ToString::to_string).unwrap_or_default()
}

async fn follow_public_host(mut specs: watch::Receiver<Arc<Spec>>, hairpin: Arc<Hairpin>) {
    while specs.changed().await.is_ok() {
        let host = public_host(&specs.borrow_and_update());
        if let Err(error) = hairpin.rename_host(&host) {
            tracing::error!(%error, "the gateway's own requests keep the host they had");
        }
    }
}

async fn count_reloads(mut status: watch::Receiver<SourceStatus>, metrics: Arc<Metrics>) {
    let (mut generation, mut rejected) = {
        let status = status.borrow_and_update();
        (status.generation, status.rejected)
    };
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        (generation..now.generation).for_each(|_| metrics.reload(Attempt::Succeeded));
        (rejected..now.rejected).for_each(|_| metrics.reload(Attempt::Failed));
        (generation, rejected) = (now.generation, now.rejected);
    }
}
