//! Small tasks that carry what changes from one part of the gateway to another.

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::readiness::Readiness;
use crate::{
    broker,
    config::ObjectRef,
    credentials::{self, CredentialPart, KeyRing},
    report::{self, Findings, Report},
    routing::Spec,
    sessions::Hairpin,
    source::{self, SourceStatus},
    telemetry::{Attempt, Metrics},
};

/// Until a Secret with wrong keys is looked at again.
const KEYS_RETRY: Duration = Duration::from_secs(5);

/// Where the gateway's own requests go, and what they name as their host.
pub(super) fn hosts(spec: &Spec, private_host: &str) -> (String, String) {
    let public = spec.public_hosts.first().map(ToString::to_string).unwrap_or_default();
    (spec.private_host.clone().unwrap_or_else(|| private_host.to_owned()), public)
}

/// Keeps `hairpin` at the hosts of the newest of `specs`.
pub(super) async fn aim(mut specs: watch::Receiver<Arc<Spec>>, private_host: String, hairpin: Arc<Hairpin>) {
    let mut now = hosts(&specs.borrow_and_update(), &private_host);
    while specs.changed().await.is_ok() {
        let next = hosts(&specs.borrow_and_update(), &private_host);
        // without a configuration there is nothing to ask for: where they went is as good
        if next == now || next.1.is_empty() {
            continue;
        }
        match hairpin.aim(&next.0, &next.1) {
            Ok(()) => {
                tracing::info!(private_host = next.0, host = next.1, "the gateway's own requests go there");
            }
            Err(error) => tracing::error!(%error, "the gateway's own requests go where they went"),
        }
        now = next;
    }
}

pub(super) async fn count_reloads(mut status: watch::Receiver<SourceStatus>, metrics: Arc<Metrics>) {
    let (mut generation, mut rejected) = {
        let status = status.borrow_and_update();
        (status.generation, status.rejected)
    };
    while status.changed().await.is_ok() {
        let now = status.borrow_and_update().clone();
        (generation..now.generation).for_each(|_| metrics.reload(Attempt::Succeeded));
        (rejected..now.rejected).for_each(|_| metrics.reload(Attempt::Failed));
        (generation, rejected) = (now.generation, now.rejected);
    }
}

/// The keys in a Secret, once they are there and good.
pub(super) async fn keys(client: Client, secret: ObjectRef) -> KeyRing {
    loop {
        let text = source::wait_for_key(client.clone(), secret.namespace(), secret.name()).await;
        let text = credentials::reveal(&text, CredentialPart::Whole);
        match KeyRing::parse(&String::from_utf8_lossy(&text)) {
            Ok(keys) => return keys,
            Err(error) => tracing::error!(%secret, %error, "the session key is wrong"),
        }
        sleep(KEYS_RETRY).await;
    }
}

/// Tries the routes once this instance serves: before, its own answers would be in the way.
pub(super) async fn probe(
    mut readiness: Readiness,
    hairpin: Arc<Hairpin>,
    specs: watch::Receiver<Arc<Spec>>,
    findings: watch::Sender<Findings>,
    stop: CancellationToken,
) {
    while readiness.check().is_err() {
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = readiness.statuses.changed() => {}
        }
    }
    report::probe(hairpin, specs, findings, stop).await;
}

/// Puts together what the controller is told, whenever a part of it changes.
pub(super) async fn compose(
    mut statuses: watch::Receiver<Arc<broker::Status>>,
    mut findings: watch::Receiver<Findings>,
    reports: watch::Sender<Report>,
) {
    loop {
        let mut report = statuses.borrow_and_update().report();
        findings.borrow_and_update().add_to(&mut report);
        reports.send_if_modified(|now| {
            let changed = *now != report;
            *now = report;
            changed
        });
        tokio::select! {
            changed = statuses.changed() => if changed.is_err() { return },
            Ok(()) = findings.changed() => {}
        }
    }
}
