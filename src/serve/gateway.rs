//! The parts of the gateway, put together and started.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    MAX_SESSIONS, Stops,
    cluster::Cluster,
    follow,
    listeners::{Listeners, Servers, serve_http},
    readiness::{Awaited, Readiness},
};
use crate::{
    admin,
    broker::{self, Broker},
    clock,
    config::Serve,
    credentials::{KeyRing, Sealer},
    ext_proc, report,
    routing::Routes,
    sessions::{Hairpin, Store},
    source::{self, Watched},
    telemetry::Metrics,
};

/// Everything that serves, before it listens.
pub(super) struct Gateway {
    cluster: Option<Cluster>,
    watched: Watched,
    sealer: Arc<Sealer>,
    has_keys: watch::Sender<bool>,
    broker: Arc<Broker>,
    router: ext_proc::Router,
    hairpin: Arc<Hairpin>,
    /// Where Envoy listens for the gateway, unless the configuration says it.
    private_host: String,
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Gateway {
    pub(super) async fn new(options: &Serve, tasks: &TaskTracker, stops: &Stops) -> Result<Self> {
        let cluster = Cluster::of(options).await?;
        let watched = watched(options, cluster.as_ref(), tasks, stops)?;
        let keys = match &options.session_key_secret {
            Some(_) => KeyRing::empty(),
            None => key_ring(options.session_key_file.as_deref())?,
        };
        let has_keys = watch::Sender::new(options.session_key_secret.is_none());
        let sealer = Arc::new(Sealer::new(keys, clock::now));
        let store = Arc::new(store(options).await?);
        let (private, public) = follow::hosts(&watched.spec.borrow(), &options.private_host);
        let hairpin = Arc::new(Hairpin::new(&private, &public, Arc::clone(&sealer))?);
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
            sealer: Arc::clone(&sealer),
            store,
            hairpin: Arc::clone(&hairpin),
            metrics: Arc::clone(&metrics),
            duplex_deadline: ext_proc::DUPLEX_DEADLINE,
            tasks: tasks.clone(),
            aside: Handle::current(),
        });
        let readiness = Readiness {
            routes,
            source: watched.status.clone(),
            has_keys: has_keys.subscribe(),
            statuses: broker.statuses(),
            is_stopping: Arc::new(AtomicBool::new(false)),
            awaited: Arc::new(Awaited::of(cluster.as_ref())),
        };
        let private_host = options.private_host.clone();
        Ok(Self {
            cluster,
            watched,
            sealer,
            has_keys,
            broker,
            router,
            hairpin,
            private_host,
            metrics,
            readiness,
        })
    }

    /// Starts all of it; the tasks end with `stops`.
    pub(super) fn start(&self, listeners: Listeners, tasks: &TaskTracker, stops: &Stops) -> Servers {
        if let Err(why) = self.readiness.check() {
            tracing::info!(why, "not ready yet");
        }
        let (ready, is_ready) = watch::channel(false);
        tasks.spawn(self.readiness.clone().tell(ready, stops.serving.clone()));
        self.start_broker(tasks, stops);
        let (status, metrics) = (self.watched.status.clone(), Arc::clone(&self.metrics));
        tasks.spawn(until(stops.end.clone(), follow::count_reloads(status, metrics)));
        let aim =
            follow::aim(self.watched.spec.clone(), self.private_host.clone(), Arc::clone(&self.hairpin));
        tasks.spawn(until(stops.end.clone(), aim));
        self.start_report(tasks, stops);

        let admin_app = admin::app(self.sources());
        tasks.spawn(serve_http("the admin page", listeners.admin, admin_app, stops.end.clone()));
        let servers = Servers::default();
        let (router, stopping) = (self.router.clone(), stops.serving.clone());
        servers.spawn(async move {
            ext_proc::serve(listeners.ext_proc, router, is_ready, stopping)
                .await
                .context("the router has failed")
        });
        servers.spawn(serve_http("the broker", listeners.broker, self.broker.app(), stops.serving.clone()));
        servers
    }

    /// From now on it is not ready.
    pub(super) fn stop(&self) {
        self.readiness.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Waits for the keys, where they are in a Secret; without them nothing is discovered.
    fn start_broker(&self, tasks: &TaskTracker, stops: &Stops) {
        let (broker, specs) = (Arc::clone(&self.broker), self.watched.spec.clone());
        let secret = self.cluster.as_ref().and_then(|cluster| {
            cluster.session_key.as_ref().map(|secret| (cluster.client.clone(), secret.clone()))
        });
        let Some((client, secret)) = secret else {
            tasks.spawn(async move { broker.run(specs).await });
            return;
        };
        let (sealer, has_keys) = (Arc::clone(&self.sealer), self.has_keys.clone());
        let stopping = stops.serving.clone();
        tasks.spawn(async move {
            if let Some(keys) = stopping.run_until_cancelled(follow::keys(client, secret)).await {
                sealer.replace_keys(keys);
                has_keys.send_replace(true);
                broker.run(specs).await;
            }
        });
    }

    /// Tells the controller, where there is one.
    fn start_report(&self, tasks: &TaskTracker, stops: &Stops) {
        let Some(cluster) = &self.cluster else { return };
        let Some(map) = &cluster.report else { return };
        let publisher =
            report::Publisher::new(cluster.client.clone(), map.namespace(), map.name(), &cluster.instance);
        let (findings, found) = watch::channel(report::Findings::default());
        let (reports, newest) = watch::channel(report::Report::default());
        tasks.spawn(follow::probe(
            self.readiness.clone(),
            Arc::clone(&self.hairpin),
            self.watched.spec.clone(),
            findings,
            stops.serving.clone(),
        ));
        tasks.spawn(until(stops.end.clone(), follow::compose(self.broker.statuses(), found, reports)));
        tasks.spawn(publisher.run(newest, stops.serving.clone()));
    }

    fn sources(&self) -> admin::Sources {
        let (readiness, broker) = (self.readiness.clone(), Arc::clone(&self.broker));
        let source = self.watched.status.clone();
        let status = move || {
            let broker = broker.status();
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "source": *source.borrow(),
                "servers": broker.servers,
                "virtualServers": broker.virtual_servers,
            })
        };
        let metrics = Arc::clone(&self.metrics);
        admin::Sources {
            ready: Arc::new(move || readiness.check()),
            status: Arc::new(status),
            metrics: Arc::new(move || metrics.render()),
        }
    }
}

/// The configuration: of a file it must be good at once, in a Secret it may come later.
fn watched(
    options: &Serve,
    cluster: Option<&Cluster>,
    tasks: &TaskTracker,
    stops: &Stops,
) -> Result<Watched> {
    let stop = stops.end.clone();
    if let Some((client, secret)) =
        cluster.and_then(|cluster| Some((cluster.client.clone(), cluster.config.as_ref()?)))
    {
        return Ok(source::watch_secret(client, secret.namespace(), secret.name(), clock::now, tasks, stop));
    }
    let file = options.origin.file.as_deref().context("no configuration: give it one with --config")?;
    source::watch(file, &options.public.overrides(), clock::now, tasks, stop).map_err(|problems| {
        anyhow!("the configuration is wrong\n{}", source::report(file, &problems).trim_end())
    })
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

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}
