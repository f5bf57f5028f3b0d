//! The addresses that are taken, and what is served on them until the last exchange has ended.

use std::{future::IntoFuture as _, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use axum::serve::ListenerExt as _;
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::DRAIN;
use crate::{config::Serve, ext_proc};

/// Taken addresses.
pub(super) struct Listeners {
    pub(super) ext_proc: ext_proc::Bound,
    pub(super) broker: TcpListener,
    pub(super) admin: TcpListener,
}

impl Listeners {
    pub(super) async fn bind(options: &Serve) -> Result<Self> {
        Ok(Self {
            ext_proc: options.ext_proc_listen.bind().await.context("--ext-proc-listen")?,
            broker: bind(options.broker_listen, "--broker-listen").await?,
            admin: bind(options.admin_listen, "--admin-listen").await?,
        })
    }

    /// Says the real addresses, where port 0 was asked for, too.
    pub(super) fn announce(&self) -> Result<()> {
        let (ext_proc, broker, admin) =
            (self.ext_proc.address()?, self.broker.local_addr()?, self.admin.local_addr()?);
        tracing::info!(%ext_proc, %broker, %admin, version = env!("CARGO_PKG_VERSION"), "serving");
        Ok(())
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({flag})"))
}

/// The listeners that exchanges come in by.
#[derive(Default)]
pub(super) struct Servers {
    tasks: TaskTracker,
    /// The first one that has failed.
    failure: watch::Sender<Option<Arc<anyhow::Error>>>,
}

impl Servers {
    pub(super) fn spawn(&self, server: impl Future<Output = Result<()>> + Send + 'static) {
        let failure = self.failure.clone();
        self.tasks.spawn(async move {
            if let Err(error) = server.await {
                failure.send_replace(Some(Arc::new(error)));
            }
        });
    }

    /// Waits until one of them fails.
    pub(super) async fn failed(&self) -> anyhow::Error {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(error)) => anyhow!("{error:#}"),
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until all exchanges have ended, up to [`DRAIN`].
    pub(super) async fn drain(&self) {
        self.tasks.close();
        if timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                seconds = DRAIN.as_secs(),
                "exchanges in flight have not ended in time and are cut off"
            );
        }
    }
}

pub(super) async fn serve_http(
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
