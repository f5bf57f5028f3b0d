//! A lock in Redis: held by the call that opens a server session, gone soon after its holder has died.

use std::{convert::Infallible, sync::Arc, time::Duration};

use redis::Pipeline;
use tokio::{runtime::Handle, time::sleep};
use tokio_util::task::TaskTracker;

use super::link::Link;

/// How long a lock outlives its holder.
pub const LOCK_LIFE: Duration = Duration::from_secs(3);

/// How often its holder says that it is alive.
const RENEWAL: Duration = Duration::from_secs(1);

/// Compare and delete, so that nobody lets go of a lock that has become someone else's.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// Compare and prolong.
const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

/// An attempt at a lock; lets go of it when it is dropped.
pub(super) struct Lock {
    link: Arc<Link>,
    key: String,
    /// Random: tells this holder from any other.
    token: u128,
    acquired: bool,
    releases: TaskTracker,
}

impl Lock {
    /// Not acquired yet. `releases`: where the locks of dropped calls are let go of.
    pub(super) fn new(link: &Arc<Link>, key: String, releases: &TaskTracker) -> Self {
        let token = fastrand::u128(..);
        Self { link: Arc::clone(link), key, token, acquired: false, releases: releases.clone() }
    }

    /// The command whose answer says whether it is acquired.
    pub(super) fn attempt(&mut self, commands: &mut Pipeline) {
        // to be let go of even if the answer never arrives
        self.acquired = true;
        let life = LOCK_LIFE.as_millis();
        commands.cmd("SET").arg(&self.key).arg(self.token).arg("NX").arg("PX").arg(life.to_string());
    }

    /// Takes the answer to [`Self::attempt`].
    pub(super) fn answered(&mut self, acquired: bool) {
        self.acquired = acquired;
    }

    /// Keeps the lock for as long as it is polled.
    pub(super) async fn keep(&self) -> Infallible {
        loop {
            sleep(RENEWAL).await;
            let mut renew = redis::pipe();
            renew.cmd("EVAL").arg(RENEW).arg(1).arg(&self.key).arg(self.token);
            renew.arg(LOCK_LIFE.as_millis().to_string());
            // a lock that cannot be kept costs a second session at most, which `Opened::stray` reports
            if let Err(error) = self.link.query::<(u8,)>(&renew).await {
                tracing::debug!(%error, "lock not renewed");
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let (true, Ok(runtime)) = (self.acquired, Handle::try_current()) else { return };
        let link = Arc::clone(&self.link);
        let mut release = redis::pipe();
        release.cmd("EVAL").arg(RELEASE).arg(1).arg(&self.key).arg(self.token);
        let release = async move {
            if let Err(error) = link.query::<(u8,)>(&release).await {
                tracing::debug!(%error, "lock left to expire");
            }
        };
        self.releases.spawn_on(release, &runtime);
    }
}
