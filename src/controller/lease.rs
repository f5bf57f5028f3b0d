//! The Lease: of all controllers, the one that holds it writes.
//!
//! As `client-go` has it: nobody's clock is trusted. Others' Leases expire a lease's duration after they were *seen* to
//! change; one's own holds from *before* the request that renewed it, and for less time than others wait.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease as Object, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams, core::ObjectMeta};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::failure::{Failure, REQUEST_DEADLINE};
use crate::clock::UnixTime;

/// From the last renewal to when another may take it.
const DURATION: Duration = Duration::from_secs(15);
/// From the last renewal to when its holder stops to write. With [`REQUEST_DEADLINE`] for the last request, it is not
/// more than [`DURATION`].
const HELD: Duration = Duration::from_secs(10);
/// Between renewals.
const RENEWAL: Duration = Duration::from_secs(5);
/// Between looks at another's Lease, and after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Until when the Lease is held, should it not be renewed; `None` when it is not.
pub(super) type Held = Option<Instant>;

/// Which Lease, and who takes it.
#[derive(Clone, Debug)]
pub struct Claim {
    pub namespace: String,
    pub name: String,
    pub holder: String,
    pub clock: fn() -> UnixTime,
}

/// Takes the Lease, keeps it, and takes it again when it is lost; gives it back when `stop` is cancelled.
pub(super) async fn hold(client: Client, claim: Claim, held: watch::Sender<Held>, stop: CancellationToken) {
    let mut keeper = Keeper { api: Api::namespaced(client, &claim.namespace), claim, seen: None };
    let mut told = None;
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let outcome = timeout(REQUEST_DEADLINE, keeper.attempt(begun)).await.unwrap_or(Err(Failure::Late));
        let until = match &outcome {
            Ok(Standing::Held) => Some(begun + HELD),
            Ok(Standing::Others(_)) => None,
            Err(_) => held.borrow().filter(|until| Instant::now() < *until),
        };
        let was_held = held.send_replace(until).is_some();
        keeper.tell(&outcome, was_held, &mut told);
        if was_held && until.is_none() {
            tracing::warn!("lost the lease: writes no more");
        }
        let pause = if matches!(outcome, Ok(Standing::Held)) { RENEWAL } else { RETRY };
        let next = begun + pause;
        tokio::select! {
            () = sleep_until(until.map_or(next, |until| next.min(until))) => {}
            () = stop.cancelled() => {}
        }
    }
    let was_held = held.send_replace(None).is_some();
    if was_held {
        keeper.release().await;
    }
}

enum Standing {
    Held,
    /// By whom.
    Others(String),
}

/// A Lease of another, as it was seen last.
struct Seen {
    version: Option<String>,
    at: Instant,
}

struct Keeper {
    api: Api<Object>,
    claim: Claim,
    seen: Option<Seen>,
}

impl Keeper {
    async fn attempt(&mut self, now: Instant) -> Result<Standing, Failure> {
        let Some(found) = self.api.get_opt(&self.claim.name).await? else {
            let new = self.object(ObjectMeta::default(), None);
            self.api.create(&PostParams::default(), &new).await?;
            return Ok(Standing::Held);
        };
        let spec = found.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let is_free = holder.is_empty() || holder == self.claim.holder;
        if !is_free && !self.has_expired(&found, &spec, now) {
            return Ok(Standing::Others(holder));
        }
        let renewed = self.object(found.metadata, Some(spec));
        // refused when another was faster: the resource version is that of what was read
        self.api.replace(&self.claim.name, &PostParams::default(), &renewed).await?;
        Ok(Standing::Held)
    }

    fn has_expired(&mut self, found: &Object, spec: &LeaseSpec, now: Instant) -> bool {
        let version = &found.metadata.resource_version;
        let at = match &self.seen {
            Some(seen) if seen.version == *version => seen.at,
            Some(_) | None => {
                self.seen = Some(Seen { version: version.clone(), at: now });
                now
            }
        };
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        now >= at + seconds.map_or(DURATION, Duration::from_secs)
    }

    fn object(&self, metadata: ObjectMeta, before: Option<LeaseSpec>) -> Object {
        let before = before.unwrap_or_default();
        let is_same = before.holder_identity.as_ref() == Some(&self.claim.holder);
        let seconds = i64::try_from((self.claim.clock)().0).unwrap_or(i64::MAX);
        let now = Timestamp::from_second(seconds).ok().map(MicroTime);
        let spec = LeaseSpec {
            holder_identity: Some(self.claim.holder.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_same { before.acquire_time } else { now.clone() },
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!is_same)),
            renew_time: now,
            ..LeaseSpec::default()
        };
        let name = Some(self.claim.name.clone());
        Object { metadata: ObjectMeta { name, managed_fields: None, ..metadata }, spec: Some(spec) }
    }

    /// Lets another take it at once.
    async fn release(&self) {
        let free = async {
            let Some(mut found) = self.api.get_opt(&self.claim.name).await? else { return Ok(()) };
            let spec = found.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() != Some(&self.claim.holder) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            self.api.replace(&self.claim.name, &PostParams::default(), &found).await.map(|_released| ())
        };
        let outcome = timeout(REQUEST_DEADLINE, free).await;
        match outcome.map_err(|_elapsed| Failure::Late).and_then(|done| done.map_err(Failure::from)) {
            Ok(()) => tracing::info!("released the lease"),
            Err(error) => tracing::warn!(%error, "the lease was not released: it is free when it expires"),
        }
    }

    /// Once for each turn of events. `told`: who was last said to hold it.
    fn tell(&self, outcome: &Result<Standing, Failure>, was_held: bool, told: &mut Option<String>) {
        let Claim { namespace, name, holder, .. } = &self.claim;
        match outcome {
            Ok(Standing::Held) if !was_held => {
                tracing::info!(lease = %format_args!("{namespace}/{name}"), "holds the lease: writes");
                *told = Some(holder.clone());
            }
            Ok(Standing::Others(other)) if told.as_ref() != Some(other) => {
                tracing::info!(holder = %other, "another instance holds the lease: stands by");
                *told = Some(other.clone());
            }
            Ok(Standing::Held | Standing::Others(_)) => {}
            Err(error) => {
                tracing::warn!(%error, was_held, "cannot take or renew the lease {namespace}/{name}");
            }
        }
    }
}
