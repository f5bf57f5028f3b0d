//! The controller at work: changes into the index, what the index asks for to the writer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Unwritten, Write,
    heard::Heard,
    index::{Index, Settings},
    lease::{self, Claim, Held},
    object::{Kind, Object},
    watch::{self as watches, Change, MAX_WAITING},
    writer,
};
use crate::{clock::UnixTime, telemetry::ControllerMetrics};

/// From a change to the computation that it causes, for others that come with it.
const SETTLED: Duration = Duration::from_millis(30);
/// The same, where changes do not cease.
const LATEST: Duration = Duration::from_millis(200);

/// What the controller works with.
#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub claim: Claim,
    pub clock: fn() -> UnixTime,
    pub metrics: Arc<ControllerMetrics>,
    /// Whether the cluster is known; otherwise what is waited for.
    pub ready: watch::Sender<Result<(), String>>,
}

/// Works until `stop` is cancelled; then ends the writes under way and releases the Lease.
pub async fn run(client: Client, parts: Parts, stop: CancellationToken) {
    let (changes, read) = mpsc::channel(MAX_WAITING);
    let mut followers = JoinSet::new();
    for kind in Kind::ALL {
        followers.spawn(watches::follow(client.clone(), kind, changes.clone()));
    }
    drop(changes);
    let (held, is_held) = watch::channel(None);
    let (sets, wanted) = watch::channel(Vec::new());
    let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
    let (unwritten, failed) = watch::channel(Unwritten::default());
    let metrics = Arc::clone(&parts.metrics);
    let writer = writer::run(client.clone(), wanted, is_held.clone(), unwritten, metrics, stop.clone());
    let writer = tasks.spawn(writer);
    tasks.spawn(lease::hold(client, parts.claim.clone(), held, end.clone()));
    let mut control = Control::new(parts, sets);
    control.work(read, is_held, failed, &stop).await;
    followers.shutdown().await;
    // the Lease is held until the last write has ended
    if let Err(error) = writer.await {
        tracing::error!(%error, "the writer has failed");
    }
    end.cancel();
    tasks.close();
    tasks.wait().await;
}

struct Control {
    index: Index,
    heard: Heard,
    /// Kinds whose first list is not complete.
    unknown: BTreeSet<Kind>,
    sets: watch::Sender<Vec<Arc<Write>>>,
    /// First and last change since the last computation.
    changed: Option<(Instant, Instant)>,
    clock: fn() -> UnixTime,
    metrics: Arc<ControllerMetrics>,
    ready: watch::Sender<Result<(), String>>,
}

impl Control {
    fn new(parts: Parts, sets: watch::Sender<Vec<Arc<Write>>>) -> Self {
        let Parts { settings, clock, metrics, ready, .. } = parts;
        let unknown = BTreeSet::from(Kind::ALL);
        let control = Self {
            index: Index::new(settings),
            heard: Heard::default(),
            unknown,
            sets,
            changed: None,
            clock,
            metrics,
            ready,
        };
        control.tell_ready();
        control
    }

    async fn work(
        &mut self,
        mut changes: mpsc::Receiver<Change>,
        mut held: watch::Receiver<Held>,
        mut unwritten: watch::Receiver<Unwritten>,
        stop: &CancellationToken,
    ) {
        let mut was_held = false;
        loop {
            let now_held = held.borrow_and_update().is_some();
            if now_held != was_held {
                was_held = now_held;
                self.metrics.lease(now_held);
                if !now_held {
                    // who holds it next computes anew
                    self.sets.send_replace(Vec::new());
                }
                self.note();
            }
            let due = self.changed.map(|(first, last)| (last + SETTLED).min(first + LATEST));
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => match change {
                    Some(change) => self.take(change),
                    None => return,
                },
                () = at(due) => self.compute(now_held),
                () = at(self.heard.next()) => self.listen(),
                changed = held.changed() => if changed.is_err() { return },
                Ok(()) = unwritten.changed() => {
                    self.index.unwritten(unwritten.borrow_and_update().clone());
                    self.note();
                }
            }
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Apply(object) => {
                if let Object::Report(reports) = &*object {
                    self.heard.take(reports, Instant::now());
                }
                self.index.apply(*object);
            }
            Change::Delete(kind, key) => {
                if kind == Kind::Report {
                    self.heard.forget(&key);
                }
                self.index.delete(kind, &key);
            }
            Change::Listed(kind) => {
                self.index.present(kind, true);
                self.know(kind);
            }
            Change::Absent(kind) => {
                self.index.present(kind, false);
                self.know(kind);
            }
        }
        self.note();
    }

    fn know(&mut self, kind: Kind) {
        if self.unknown.remove(&kind) {
            self.tell_ready();
        }
    }

    fn note(&mut self) {
        let now = Instant::now();
        self.changed = Some((self.changed.map_or(now, |(first, _)| first), now));
    }

    /// What is not known yet would count as gone: nothing is written before all is known.
    fn compute(&mut self, is_held: bool) {
        self.changed = None;
        if !is_held || !self.unknown.is_empty() {
            return;
        }
        let begun = Instant::now();
        let writes = self.index.writes(&rfc3339((self.clock)()));
        self.metrics.computed(begun.elapsed());
        tracing::debug!(writes = writes.len(), took_us = begun.elapsed().as_micros(), "computed");
        self.sets.send_replace(writes.into_iter().map(Arc::new).collect());
    }

    fn listen(&mut self) {
        for (namespace, instance) in self.heard.silent(Instant::now()) {
            tracing::info!(namespace, instance, "an instance of the data plane does not report any more");
            self.index.silence(&namespace, &instance);
        }
        self.note();
    }

    fn tell_ready(&self) {
        let missing: Vec<_> = self.unknown.iter().map(|kind| kind.resource().full_name()).collect();
        let _before = self.ready.send_replace(if missing.is_empty() {
            tracing::info!("knows the cluster");
            Ok(())
        } else {
            Err(format!("waiting for the first list of {}", missing.join(", ")))
        });
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn rfc3339(time: UnixTime) -> String {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
