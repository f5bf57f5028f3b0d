//! The writer: does what the index asks for, a few at a time, while the Lease is held.

mod queue;
mod request;

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    queue::{Outcome, Queue},
    request::Requests,
};
use super::{
    failure::Failure,
    lease::Held,
    write::{Target, Unwritten, Write},
};
use crate::telemetry::{Attempt, ControllerMetrics};

/// Requests under way at most.
const MAX_UNDER_WAY: usize = 8;

/// Longest reason that a status tells, in characters.
const MAX_REASON: usize = 300;

/// Longest wait for those under way once the process is to stop.
const END: Duration = Duration::from_secs(5);

/// Writes the newest of `sets` until `stop` is cancelled, then ends what is under way.
pub(super) async fn run(
    client: Client,
    mut sets: watch::Receiver<Vec<Arc<Write>>>,
    mut held: watch::Receiver<Held>,
    unwritten: watch::Sender<Unwritten>,
    metrics: Arc<ControllerMetrics>,
    stop: CancellationToken,
) {
    let mut writer = Writer {
        requests: Arc::new(Requests::new(client)),
        queue: Queue::default(),
        under_way: JoinSet::new(),
        unwritten,
        metrics,
    };
    while !stop.is_cancelled() {
        let until = *held.borrow_and_update();
        writer.begin(until);
        let next = writer.queue.next();
        tokio::select! {
            changed = sets.changed() => match changed {
                Ok(()) => writer.queue.replace(sets.borrow_and_update().iter().cloned()),
                Err(_nobody_asks) => break,
            },
            Some(ended) = writer.under_way.join_next() => writer.end(ended.ok()),
            () = wake(next) => {}
            Ok(()) = held.changed() => {}
            () = stop.cancelled() => {}
        }
    }
    let rest = async { while writer.under_way.join_next().await.is_some() {} };
    if timeout(END, rest).await.is_err() {
        tracing::warn!("writes under way have not ended in time and are cut off");
    }
}

async fn wake(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

type Ended = (Target, Result<(), Failure>);

struct Writer {
    requests: Arc<Requests>,
    queue: Queue,
    under_way: JoinSet<Ended>,
    /// For status.
    unwritten: watch::Sender<Unwritten>,
    metrics: Arc<ControllerMetrics>,
}

impl Writer {
    /// Begins what may be begun, where the Lease is held.
    fn begin(&mut self, held: Held) {
        let now = Instant::now();
        let is_held = held.is_some_and(|until| now < until);
        while is_held && self.under_way.len() < MAX_UNDER_WAY {
            let Some(write) = self.queue.begin(now) else { return };
            let requests = Arc::clone(&self.requests);
            self.under_way.spawn(async move {
                let done = requests.make(&write).await;
                (write.target(), done)
            });
        }
    }

    fn end(&mut self, ended: Option<Ended>) {
        // a task that panicked; its target stays under way, and the log says so
        let Some((target, done)) = ended else { return };
        let kind = target.kind.resource().kind;
        let outcome = match &done {
            Ok(()) => Outcome::Done,
            Err(Failure::Foreign | Failure::Exists) => Outcome::Stuck,
            Err(_) => Outcome::Failed,
        };
        let retry = self.queue.end(&target, outcome, Instant::now());
        self.tell(&target, &done);
        match done {
            Ok(()) => self.metrics.write(kind, Attempt::Succeeded),
            // somebody else has made it, as they may
            Err(Failure::Exists) => {}
            Err(error) => {
                self.metrics.write(kind, Attempt::Failed);
                let retry = retry.unwrap_or_default().as_millis();
                tracing::warn!(what = %target, %error, retry_in_ms = retry, "cannot write");
            }
        }
    }

    fn tell(&self, target: &Target, done: &Result<(), Failure>) {
        let Some(object) = target.object() else { return };
        self.unwritten.send_if_modified(|unwritten| match done {
            Ok(()) | Err(Failure::Exists) => unwritten.remove(&object).is_some(),
            Err(error) => {
                let why: String = error.to_string().chars().take(MAX_REASON).collect();
                unwritten.insert(object, why.clone()).is_none_or(|before| before != why)
            }
        });
    }
}
