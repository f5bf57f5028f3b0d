//! Whether requests can be served, and what is waited for where they cannot.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use crate::{broker, routing::Routes, source::SourceStatus};

/// What readiness depends on.
#[derive(Clone)]
pub(super) struct Readiness {
    pub(super) routes: Arc<Routes>,
    pub(super) source: watch::Receiver<SourceStatus>,
    /// Whether there are keys.
    pub(super) has_keys: watch::Receiver<bool>,
    pub(super) statuses: watch::Receiver<Arc<broker::Status>>,
    pub(super) is_stopping: Arc<AtomicBool>,
    /// What to say of the configuration and the keys while they are not there.
    pub(super) awaited: Arc<Awaited>,
}

/// What has to come from elsewhere.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    config: String,
    keys: String,
}

impl Awaited {
    pub(super) fn of(cluster: Option<&Cluster>) -> Self {
        let config = cluster.and_then(|cluster| cluster.config.as_ref()).map(|secret| {
            format!(
                "waiting for a configuration in Secret {secret}: create an MCPGatewayExtension in namespace {}",
                secret.namespace()
            )
        });
        let keys = cluster.and_then(|cluster| cluster.session_key.as_ref()).map(|secret| {
            format!(
                "waiting for the session key in Secret {secret}: the controller makes it with the first MCPGatewayExtension in namespace {}",
                secret.namespace()
            )
        });
        Self { config: config.unwrap_or_default(), keys: keys.unwrap_or_default() }
    }
}

impl Readiness {
    /// Whether requests can be served; otherwise why not.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        let mut waits: Vec<String> = Vec::new();
        if !self.routes.load().is_some_and(|snapshot| snapshot.is_configured()) {
            let source = self.source.borrow();
            if !source.is_configured() {
                let problem = source.problems.first().map(|problem| format!(" ({})", problem.message));
                waits.push(format!("{}{}", self.awaited.config, problem.unwrap_or_default()));
            }
            if !*self.has_keys.borrow() {
                waits.push(self.awaited.keys.clone());
            }
            if waits.is_empty() {
                waits.push("no configuration is served yet".to_owned());
            }
        }
        if waits.is_empty() { Ok(()) } else { Err(waits.join("\n")) }
    }

    /// Says it to `ready` whenever it changes, until `stop`; not ready from then on.
    pub(super) async fn tell(mut self, ready: watch::Sender<bool>, stop: CancellationToken) {
        loop {
            let checked = self.check();
            let changed =
                ready.send_if_modified(|now| std::mem::replace(now, checked.is_ok()) != checked.is_ok());
            match checked {
                Ok(()) if changed => tracing::info!("ready"),
                Err(why) if changed => tracing::warn!(why, "not ready any more"),
                Ok(()) | Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = self.source.changed() => {}
                Ok(()) = self.has_keys.changed() => {}
                Ok(()) = self.statuses.changed() => {}
            }
        }
        ready.send_replace(false);
    }
}
