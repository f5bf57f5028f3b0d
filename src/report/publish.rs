//! Keeps this instance's key of the `ConfigMap` up to date. Never in the way of serving: what fails is tried again.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Error,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{MAX_BYTES, Report, bounded};

/// From a change to the report that tells it, along with all that changes meanwhile.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Between reports when nothing changes.
const BEAT: Duration = Duration::from_secs(10);
/// For one answer of the API server.
const DEADLINE: Duration = Duration::from_secs(10);
/// To take the key out at the end.
const LEAVE_DEADLINE: Duration = Duration::from_secs(2);
/// After a failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// The same while there is no `ConfigMap`: status waits for it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What all instances may write together: a `ConfigMap` holds 1 MiB, names included.
const MAX_TOGETHER: usize = 1_000_000;

/// Writes the reports of one instance.
#[derive(Debug)]
pub struct Publisher {
    maps: Api<ConfigMap>,
    /// `namespace/name`, for people.
    shown: String,
    name: String,
    instance: String,
    beat: u64,
    limit: usize,
    /// What was logged last, so that it is said once.
    trouble: Option<Trouble>,
    was_cut: bool,
}

/// Why a report is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The controller has not made the `ConfigMap` yet.
    Missing,
    Refused,
    Full,
    Unreachable,
}

impl Publisher {
    /// Of `instance`, in the `ConfigMap` `namespace/name`.
    pub fn new(client: Client, namespace: &str, name: &str, instance: &str) -> Self {
        Self {
            maps: Api::namespaced(client, namespace),
            shown: format!("{namespace}/{name}"),
            name: name.to_owned(),
            instance: instance.to_owned(),
            beat: 0,
            limit: MAX_BYTES,
            trouble: None,
            was_cut: false,
        }
    }

    /// Writes the newest of `reports` whenever it changes, and now and then; takes the key out after `stop`.
    pub async fn run(mut self, mut reports: watch::Receiver<Report>, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep(&mut reports)).await;
        match timeout(LEAVE_DEADLINE, self.write(None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(configmap = self.shown, %error, "the report stays behind"),
            Err(_elapsed) => tracing::warn!(configmap = self.shown, "the report stays behind: no answer"),
        }
    }

    async fn keep(&mut self, reports: &mut watch::Receiver<Report>) {
        let mut retry = FIRST_RETRY;
        loop {
            let report = reports.borrow_and_update().clone();
            if self.tell(report).await {
                retry = FIRST_RETRY;
                tokio::select! {
                    Ok(()) = reports.changed() => sleep(DEBOUNCE).await,
                    () = sleep(BEAT) => {}
                }
            } else {
                sleep(retry.mul_f64(0.75 + fastrand::f64() / 4.0)).await;
                let longest =
                    if self.trouble == Some(Trouble::Missing) { LONGEST_WAIT } else { LONGEST_RETRY };
                retry = (retry * 2).min(longest);
            }
        }
    }

    /// Whether it is written.
    async fn tell(&mut self, mut report: Report) -> bool {
        self.beat += 1;
        report.beat = self.beat;
        let Some((text, is_cut)) = bounded(&report, self.limit) else {
            self.limit = MAX_BYTES;
            self.meet(Trouble::Full, "not even the bare facts fit beside those of other instances");
            return false;
        };
        if is_cut && !self.was_cut {
            tracing::warn!(
                configmap = self.shown,
                self.limit,
                "the report is too long: details are left out"
            );
        }
        self.was_cut = is_cut;
        match timeout(DEADLINE, self.write(Some(text))).await {
            Err(_elapsed) => self.meet(Trouble::Unreachable, "no answer of the API server"),
            Ok(Err(Error::Api(status))) => match status.code {
                404 => self.meet(Trouble::Missing, "the controller makes it"),
                // all reports together are too large for it
                413 | 422 if status.message.to_lowercase().contains("too l") => {
                    self.limit = (self.limit / 2).max(1);
                    self.meet(Trouble::Full, "the reports of all instances are too large for one object");
                }
                _ => self.meet(Trouble::Refused, &status.message),
            },
            Ok(Err(error)) => self.meet(Trouble::Unreachable, &error.to_string()),
            Ok(Ok(map)) => {
                let instances = map.data.map_or(1, |data| data.len().max(1));
                self.limit = (MAX_TOGETHER / instances).min(MAX_BYTES);
                if self.trouble.take().is_some() {
                    tracing::info!(configmap = self.shown, "the report is written");
                }
                return true;
            }
        }
        false
    }

    fn meet(&mut self, trouble: Trouble, why: &str) {
        if self.trouble == Some(trouble) {
            tracing::debug!(configmap = self.shown, why, "no report");
            return;
        }
        self.trouble = Some(trouble);
        match trouble {
            Trouble::Missing => {
                tracing::info!(configmap = self.shown, why, "no report: waiting for the ConfigMap");
            }
            Trouble::Refused | Trouble::Full | Trouble::Unreachable => {
                tracing::warn!(
                    configmap = self.shown,
                    why,
                    "no report, the status in Kubernetes is out of date"
                );
            }
        }
    }

    /// Sets this instance's key, and no other; `None`: takes it out.
    async fn write(&self, text: Option<String>) -> kube::Result<ConfigMap> {
        let patch = json!({"data": {&self.instance: text}});
        self.maps.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await
    }
}
