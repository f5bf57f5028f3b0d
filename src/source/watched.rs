//! What follows a configuration publishes: the `Spec`, and its state for people.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use super::{Loaded, Problem};
use crate::{clock::UnixTime, routing::Spec};

/// The state of the configuration, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// 1 for the first good configuration, one more for each that followed; 0 while there is none.
    pub generation: u64,
    /// When the current generation was read; seconds since the Unix epoch.
    pub loaded_at: u64,
    /// Configurations that were refused since the start.
    pub rejected: u64,
    /// What is wrong with the configuration that stands there now, or what is waited for; empty when it is the
    /// current generation.
    pub problems: Vec<Problem>,
    /// What looks wrong with the current generation.
    pub warnings: Vec<Problem>,
}

impl SourceStatus {
    /// Whether there is a configuration. Without one the `Spec` is the default: it serves nobody.
    pub fn is_configured(&self) -> bool {
        self.generation > 0
    }
}

/// A configuration that is followed.
#[derive(Clone, Debug)]
pub struct Watched {
    pub spec: watch::Receiver<Arc<Spec>>,
    pub status: watch::Receiver<SourceStatus>,
}

/// The other end of [`Watched`].
#[derive(Debug)]
pub(super) struct Publisher {
    /// What is followed: a path, or the name of a Secret.
    of: String,
    clock: fn() -> UnixTime,
    spec: watch::Sender<Arc<Spec>>,
    status: watch::Sender<SourceStatus>,
}

impl Publisher {
    pub(super) fn new(of: String, clock: fn() -> UnixTime) -> (Self, Watched) {
        let (spec, watched_spec) = watch::channel(Arc::default());
        let (status, watched_status) = watch::channel(SourceStatus::default());
        (Self { of, clock, spec, status }, Watched { spec: watched_spec, status: watched_status })
    }

    /// A good configuration takes the place of the one before; a bad one changes nothing, and is counted and shown.
    pub(super) fn publish(&self, outcome: Result<Loaded, Vec<Problem>>) {
        let of = &self.of;
        match outcome {
            Ok(Loaded { spec, warnings }) => {
                for problem in &warnings {
                    tracing::warn!(%of, %problem, "configuration looks wrong");
                }
                let servers = spec.servers.len();
                self.spec.send_replace(Arc::new(spec));
                self.status.send_modify(|status| {
                    status.generation += 1;
                    status.loaded_at = (self.clock)().0;
                    status.problems.clear();
                    status.warnings = warnings;
                    tracing::info!(%of, generation = status.generation, servers, "configuration read");
                });
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::warn!(%of, %problem, "configuration refused; the one before stays");
                }
                self.status.send_modify(|status| {
                    status.rejected += 1;
                    status.problems = problems;
                });
            }
        }
    }

    /// There is no configuration any more, or none yet: nobody is served.
    pub(super) fn withdraw(&self, why: Problem) {
        tracing::warn!(of = self.of, %why, "no configuration");
        if self.is_configured() {
            self.spec.send_replace(Arc::default());
        }
        self.status.send_modify(|status| {
            *status =
                SourceStatus { rejected: status.rejected, problems: vec![why], ..SourceStatus::default() };
        });
    }

    pub(super) fn is_configured(&self) -> bool {
        self.status.borrow().is_configured()
    }

    /// What stands there cannot be read yet; the configuration before stays.
    pub(super) fn wait(&self, why: Problem) {
        self.status.send_if_modified(|status| {
            let is_new = status.problems.first() != Some(&why);
            if is_new {
                tracing::info!(of = self.of, %why, "waiting for the configuration");
                status.problems = vec![why];
            }
            is_new
        });
    }
}
