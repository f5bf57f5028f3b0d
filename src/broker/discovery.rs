//! The task of one server: connect, list, listen for changes, and begin again when something breaks.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    limits::{AT_ONCE, Pace, TURN, jittered},
    page,
    upstream::{Clients, Connection, Listed, Upstream, UpstreamError},
};
use crate::routing::{Discovered, ObjectName, RejectedItem, ServerSpec};

/// What a discovery has to say.
#[derive(Debug)]
pub(super) struct News {
    pub(super) server: ObjectName,
    /// Which start of the server's task says it.
    pub(super) run: u64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The server was reached, and listed all that it has.
    Discovered(Arc<Discovered>),
    /// It was not; says why, without anything that the server said.
    Failed(String),
}

/// The discovery of one server, until it is stopped.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) spec: Arc<ServerSpec>,
    pub(super) run: u64,
    pub(super) pace: Pace,
    /// Between lists of a server that announces no change.
    pub(super) relist: watch::Receiver<Duration>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: CancellationToken,
}

/// What all discoveries have in common.
#[derive(Debug)]
pub(super) struct Shared {
    clients: Clients,
    turns: Semaphore,
}

impl Default for Shared {
    fn default() -> Self {
        Self { clients: Clients::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Shared {
    /// Does `work` when there are not too many at it. One that is slow does not hold up the others: it goes on beside them.
    ///
    /// Boxed, and made only then: what asks a server is large, and is not needed again for a long time.
    async fn in_turn<F: Future>(&self, work: impl FnOnce() -> Pin<Box<F>>) -> F::Output {
        let turn = self.turns.acquire().await;
        let mut work = work();
        match timeout(TURN, &mut work).await {
            Ok(done) => done,
            Err(_elapsed) => {
                drop(turn);
                work.await
            }
        }
    }
}

/// What came of the attempts so far.
#[derive(Debug, Default)]
struct Past {
    /// In a row.
    failures: u32,
    found: Option<Arc<Discovered>>,
}

impl Discovery {
    /// Runs until [`Discovery::stop`], and then ends the session at the server.
    pub(super) async fn run(self) {
        let mut past = Past::default();
        while let Some(error) = Box::pin(self.once(&mut past)).await {
            past.failures += 1;
            let at_once = past.failures == 1 && matches!(error, UpstreamError::SessionLost);
            if past.failures > 1 || at_once {
                tracing::debug!(server = %self.spec.name, %error, past.failures, "discovery failed");
            } else {
                let kept = past.found.as_ref().map_or(0, |found| found.tools.len());
                tracing::warn!(server = %self.spec.name, %error, kept, "discovery failed; tools found before are kept");
            }
            if at_once {
                continue;
            }
            self.tell(What::Failed(error.to_string())).await;
            let wait = tokio::time::sleep(self.pace.backoff(past.failures));
            if self.stop.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    /// From one `initialize` to the next failure; `None` when it was stopped.
    async fn once(&self, past: &mut Past) -> Option<UpstreamError> {
        let connect = || {
            Box::pin(self.stop.run_until_cancelled(async {
                let upstream = Upstream::new(&self.spec, &self.shared.clients).await?;
                let connection = upstream.connect().await?;
                Ok((upstream, connection))
            }))
        };
        let (upstream, connection) = match self.shared.in_turn(connect).await? {
            Ok(connected) => connected,
            Err(error) => return Some(error),
        };
        let failed = tokio::select! {
            () = self.stop.cancelled() => None,
            error = self.keep_listing(&upstream, &connection, past) => Some(error),
            never = upstream.follow(&connection, &self.pace) => match never {},
        };
        if !matches!(failed, Some(UpstreamError::SessionLost)) {
            Box::pin(upstream.close(&connection.session)).await;
        }
        failed
    }

    async fn keep_listing(
        &self,
        upstream: &Upstream,
        connection: &Connection,
        past: &mut Past,
    ) -> UpstreamError {
        loop {
            let began = Instant::now();
            let listed = match self.shared.in_turn(|| Box::pin(upstream.list(connection))).await {
                Ok(listed) => listed,
                Err(error) => return error,
            };
            let mut found = Arc::new(discovered(connection, listed, past.found.as_deref()));
            let mut next_list = pin!(self.until_next_list(upstream, began.elapsed()));
            loop {
                let news = (upstream.has_event_ids(), upstream.offers_stream());
                if news != (found.has_event_ids, found.offers_stream) {
                    let found = Arc::make_mut(&mut found);
                    (found.has_event_ids, found.offers_stream) = news;
                }
                found = self.tell_found(past, found).await;
                tokio::select! {
                    () = &mut next_list => break,
                    () = upstream.learned.notified() => {}
                }
            }
        }
    }

    /// Gives back what is known: of two that are the same, the one that was known before, so that there is one of it.
    async fn tell_found(&self, past: &mut Past, found: Arc<Discovered>) -> Arc<Discovered> {
        let known = past.found.take().filter(|known| *known == found);
        if past.failures > 0 || known.is_none() {
            let (prompts, resources) = (found.prompts.len(), found.resources.len());
            let (tools, templates) = (found.tools.len(), found.resource_templates.len());
            tracing::info!(prompts, resources, templates, "Discovered {tools} tools from {}", self.spec.name);
        }
        let found = known.unwrap_or(found);
        *past = Past { failures: 0, found: Some(Arc::clone(&found)) };
        self.tell(What::Discovered(Arc::clone(&found))).await;
        found
    }

    /// Waits for a change or for the timer. After a change it waits on, for others to come with it, and so that no
    /// more than a fifth of the time goes into lists, however often a server says that it has changed.
    async fn until_next_list(&self, upstream: &Upstream, took: Duration) {
        tokio::select! {
            () = upstream.changed.notified() => {
                tokio::time::sleep(self.pace.pause.max(took.saturating_mul(4))).await;
                _ = upstream.changed.notified().now_or_never();
            }
            () = self.timer() => {}
        }
    }

    /// Until it is time to list again, even if the pace changes meanwhile.
    async fn timer(&self) {
        let (since, mut relist) = (Instant::now(), self.relist.clone());
        loop {
            let due = since + jittered(*relist.borrow_and_update());
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                Ok(()) = relist.changed() => {}
            }
        }
    }

    async fn tell(&self, what: What) {
        let news = News { server: self.spec.name.clone(), run: self.run, what };
        if self.news.send(news).await.is_err() {
            self.stop.cancel(); // nobody listens any more
        }
    }
}

/// What is known of the server now. Of a list that could not be read, `before` stays.
fn discovered(connection: &Connection, mut listed: Listed, before: Option<&Discovered>) -> Discovered {
    for (primitive, error) in std::mem::take(&mut listed.failed) {
        let kept = before.map_or(&[][..], |before| before.items(primitive)).to_vec();
        let list = page::method(primitive).as_str();
        let reason = format!("the whole list of {list} could not be read: {error}");
        listed.rejected.push(RejectedItem { primitive, name: String::new(), reason });
        *listed.items(primitive) = kept;
    }
    let announced = &connection.announced;
    Discovered {
        issues_sessions: connection.session.id().is_some(),
        capabilities: announced.capabilities,
        instructions: announced.instructions.clone(),
        tools: listed.tools,
        prompts: listed.prompts,
        resources: listed.resources,
        resource_templates: listed.resource_templates,
        rejected: listed.rejected,
        ..Discovered::new(announced.revision)
    }
}
