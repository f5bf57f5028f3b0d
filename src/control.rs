//! `mcp-gateway controller`: the controller and its admin page in one process, until a signal.

use std::{future::IntoFuture as _, sync::Arc};

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin, clock,
    config::Controller,
    controller::{self, Claim, Parts, index::Settings},
    kubernetes, serve,
    telemetry::{self, ControllerMetrics},
};

/// Works until SIGTERM or SIGINT, then until the writes under way have ended; a second signal ends it at once.
pub async fn run(options: Controller) -> Result<()> {
    telemetry::init(options.log_format, &options.log_level)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let client = kubernetes::client().await?;
    let listen = options.admin_listen;
    let admin = TcpListener::bind(listen).await;
    let admin = admin.with_context(|| format!("cannot listen on {listen} (--admin-listen)"))?;
    tracing::info!(admin = %admin.local_addr()?, version = env!("CARGO_PKG_VERSION"), "controlling");

    let metrics = Arc::new(ControllerMetrics::new());
    let (ready, is_ready) = watch::channel(Err("starting".to_owned()));
    let claim = Claim {
        namespace: options.namespace,
        name: options.lease,
        holder: options.instance,
        clock: clock::now,
    };
    let settings = Settings { service: options.service, cluster_domain: options.cluster_domain };
    let parts = Parts { settings, claim, clock: clock::now, metrics: Arc::clone(&metrics), ready };
    let tasks = TaskTracker::new();
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let mut work = tasks.spawn(controller::run(client, parts, stop.clone()));
    let app = admin::app(sources(is_ready, metrics));
    let mut page = tasks
        .spawn(axum::serve(admin, app).with_graceful_shutdown(end.clone().cancelled_owned()).into_future());

    let outcome = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = &mut work => ended.context("the controller has failed"),
        ended = &mut page => ended.context("the admin page has failed").map(|_served| ()),
    };
    tracing::info!("stopping: writes under way may end");
    stop.cancel();
    if !work.is_finished() {
        tokio::select! {
            _ = &mut work => tracing::info!("stopped"),
            _ = terminate.recv() => tracing::warn!("stopped at once"),
            _ = interrupt.recv() => tracing::warn!("stopped at once"),
        }
    }
    end.cancel();
    // its connections have nothing to lose
    let _ = timeout(serve::END, page).await;
    outcome
}

fn sources(ready: watch::Receiver<Result<(), String>>, metrics: Arc<ControllerMetrics>) -> admin::Sources {
    let status = || json!({"version": env!("CARGO_PKG_VERSION")});
    admin::Sources {
        ready: Arc::new(move || ready.borrow().clone()),
        status: Arc::new(status),
        metrics: Arc::new(move || metrics.render()),
    }
}
