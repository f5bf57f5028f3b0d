//! Follows a configuration file: a good change is published, a bad one is counted and shown.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Loaded, Overrides, Problem,
    files::{Seen, changed},
    read::Attempt,
};
use crate::{clock::UnixTime, routing::Spec};

/// How often the files are compared with what they held. Contents, not times: a Kubernetes volume changes by
/// the swap of a link.
pub const POLL: Duration = Duration::from_millis(500);

/// The state of the configuration, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// 1 for the first good file, one more for each that followed.
    pub generation: u64,
    /// When the current generation was read; seconds since the Unix epoch.
    pub loaded_at: u64,
    /// Files that were refused since the start.
    pub rejected: u64,
    /// What is wrong with the file that stands there now; empty when it is the current generation.
    pub problems: Vec<Problem>,
    /// What looks wrong with the current generation.
    pub warnings: Vec<Problem>,
}

/// A configuration that is followed.
#[derive(Clone, Debug)]
pub struct Watched {
    pub spec: watch::Receiver<Arc<Spec>>,
    pub status: watch::Receiver<SourceStatus>,
}

/// Reads the file at `path`, and again whenever it or a file that it names changes, until `stop`. The first
/// reading must succeed; its problems are for [`super::report`].
pub fn watch(
    path: &Path,
    overrides: &Overrides,
    clock: fn() -> UnixTime,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<Watched, Vec<Problem>> {
    let Attempt { outcome, seen } = Attempt::new(path, overrides);
    let Loaded { spec, warnings } = outcome?;
    log_warnings(path, &warnings);
    let status =
        SourceStatus { generation: 1, loaded_at: clock().0, rejected: 0, problems: Vec::new(), warnings };
    let (spec, watched_spec) = watch::channel(Arc::new(spec));
    let (status, watched_status) = watch::channel(status);
    let follower = Follower { path: path.to_owned(), overrides: overrides.clone(), clock, spec, status };
    tasks.spawn(async move {
        tokio::select! {
            () = follower.follow(seen) => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(Watched { spec: watched_spec, status: watched_status })
}

struct Follower {
    path: PathBuf,
    overrides: Overrides,
    clock: fn() -> UnixTime,
    spec: watch::Sender<Arc<Spec>>,
    status: watch::Sender<SourceStatus>,
}

impl Follower {
    async fn follow(self, mut seen: Seen) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (path, overrides) = (self.path.clone(), self.overrides.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let attempt = changed(&seen).then(|| Attempt::new(&path, &overrides));
                (seen, attempt)
            });
            // Only a panic in the closure, or the end of the runtime, ends it without an answer.
            let Ok((before, attempt)) = looked.await else { return };
            seen = match attempt {
                None => before,
                Some(Attempt { outcome, seen }) => {
                    self.publish(outcome);
                    seen
                }
            };
        }
    }

    fn publish(&self, outcome: Result<Loaded, Vec<Problem>>) {
        let path = &self.path;
        match outcome {
            Ok(Loaded { spec, warnings }) => {
                log_warnings(path, &warnings);
                let servers = spec.servers.len();
                self.spec.send_replace(Arc::new(spec));
                self.status.send_modify(|status| {
                    status.generation += 1;
                    status.loaded_at = (self.clock)().0;
                    status.problems.clear();
                    status.warnings = warnings;
                    tracing::info!(file = %path.display(), generation = status.generation, servers, "configuration changed");
                });
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::warn!(file = %path.display(), %problem, "configuration refused; the one before stays");
                }
                self.status.send_modify(|status| {
                    status.rejected += 1;
                    status.problems = problems;
                });
            }
        }
    }
}

fn log_warnings(path: &Path, warnings: &[Problem]) {
    for problem in warnings {
        tracing::warn!(file = %path.display(), %problem, "configuration looks wrong");
    }
}
