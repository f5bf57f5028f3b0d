//! Follows a configuration file: a good change is published, a bad one is counted and shown.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Overrides, Problem, Watched,
    files::{Seen, changed},
    read::Attempt,
    watched::Publisher,
};
use crate::clock::UnixTime;

/// How often the files are compared with what they held. Contents, not times: a Kubernetes volume changes by
/// the swap of a link.
pub const POLL: Duration = Duration::from_millis(500);

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
    let first = outcome?;
    let (publisher, mut watched) = Publisher::new(path.display().to_string(), clock);
    publisher.publish(Ok(first));
    watched.spec.mark_unchanged();
    watched.status.mark_unchanged();
    let follower = Follower { path: path.to_owned(), overrides: overrides.clone(), publisher };
    tasks.spawn(async move {
        tokio::select! {
            () = follower.follow(seen) => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(watched)
}

struct Follower {
    path: PathBuf,
    overrides: Overrides,
    publisher: Publisher,
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
                    self.publisher.publish(outcome);
                    seen
                }
            };
        }
    }
}
