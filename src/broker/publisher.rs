//! The one task that owns the `Spec` and the `Catalogue`: starts and stops discoveries, and publishes what they find.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    discovery::{Discovery, News, Shared, What},
    limits::Pace,
    listings::Listings,
    status::{Clash, Rejected, ServerStatus, Status, VirtualServerStatus},
};
use crate::{
    clock::UnixTime,
    credentials,
    exchange::CredentialPart,
    report,
    routing::{Catalogue, Conflict, ObjectName, Primitive, Routes, ServerSpec, Snapshot, Spec, compile},
    telemetry::{Attempt, Metrics},
};

/// News that wait to be taken in.
const NEWS: usize = 64;

/// Everything the publisher works with. [`Publisher::run`] is its life.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) routes: Arc<Routes>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) listings: watch::Sender<Listings>,
    pub(super) status: watch::Sender<Arc<Status>>,
    pub(super) clock: fn() -> UnixTime,
    pub(super) pace: Pace,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// The discovery of one enabled server.
#[derive(Debug)]
struct Running {
    run: u64,
    spec: Arc<ServerSpec>,
    stop: CancellationToken,
    health: Health,
}

#[derive(Clone, Debug, Default)]
struct Health {
    reachable: bool,
    since: UnixTime,
    last_error: Option<String>,
    last_discovered: Option<UnixTime>,
}

/// What has been learned and started so far.
#[derive(Debug)]
struct State {
    spec: Arc<Spec>,
    /// Between lists of a server; running discoveries follow it.
    relist: watch::Sender<Duration>,
    catalogue: Catalogue,
    running: HashMap<ObjectName, Running>,
    conflicts: Vec<Conflict>,
    runs: u64,
    news: mpsc::Sender<News>,
    shared: Arc<Shared>,
}

impl Publisher {
    /// Publishes at once what `specs` holds, then whatever changes, until it is stopped.
    pub(super) async fn run(self, mut specs: watch::Receiver<Arc<Spec>>) {
        let (sender, mut news) = mpsc::channel(NEWS);
        let mut state = State {
            spec: Arc::clone(&specs.borrow_and_update()),
            relist: watch::Sender::new(self.pace.relist),
            catalogue: Catalogue::default(),
            running: HashMap::new(),
            conflicts: Vec::new(),
            runs: 0,
            news: sender,
            shared: Arc::default(),
        };
        self.apply(&mut state);
        let mut due: Option<Instant> = None;
        let mut specs_end = false;
        loop {
            let settled = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = settled, if due.is_some() => {
                    due = None;
                    self.publish(&mut state);
                }
                changed = specs.changed(), if !specs_end => match changed {
                    Ok(()) => {
                        state.spec = Arc::clone(&specs.borrow_and_update());
                        due = None;
                        self.apply(&mut state);
                    }
                    Err(_ended) => specs_end = true,
                },
                Some(news) = news.recv() => {
                    let server = news.server.clone();
                    if self.take(&mut state, news) {
                        due.get_or_insert_with(|| Instant::now() + self.pace.settle);
                    } else if due.is_none() {
                        // while something waits to be published, a status would tell of what is not offered yet
                        self.report_on(&state, &server);
                    }
                }
            }
        }
    }

    /// Makes the running discoveries those of the `Spec`: only what is new or another now is started.
    fn apply(&self, state: &mut State) {
        let relist = state.spec.relist.unwrap_or(self.pace.relist);
        state.relist.send_if_modified(|now| std::mem::replace(now, relist) != relist);
        let wanted: HashMap<&ObjectName, &ServerSpec> = state
            .spec
            .servers
            .iter()
            .rev()
            .filter(|server| server.enabled)
            .map(|server| (&server.name, server))
            .collect();
        state.running.retain(|name, running| {
            let wanted = wanted.get(name);
            if wanted.is_none() {
                self.metrics.forget_server(name.as_str());
            }
            if wanted.is_none_or(|wanted| wanted.url != running.spec.url) {
                state.catalogue.servers.remove(name);
            }
            let stays = wanted.is_some_and(|wanted| same_upstream(wanted, &running.spec));
            if !stays {
                running.stop.cancel();
            }
            stays
        });
        for (name, server) in wanted {
            if !state.running.contains_key(name) {
                state.runs += 1;
                let running = self.start(state, server);
                state.running.insert(name.clone(), running);
            }
        }
        self.publish(state);
    }

    fn start(&self, state: &State, spec: &ServerSpec) -> Running {
        let (stop, spec, run) = (self.stop.child_token(), Arc::new(spec.clone()), state.runs);
        let discovery = Discovery {
            spec: Arc::clone(&spec),
            run,
            pace: self.pace,
            relist: state.relist.subscribe(),
            news: state.news.clone(),
            shared: Arc::clone(&state.shared),
            stop: stop.clone(),
        };
        self.tasks.spawn(discovery.run());
        let health = Health { since: (self.clock)(), ..Health::default() };
        Running { run, spec, stop, health }
    }

    /// Takes news in; whether there is something else to publish.
    fn take(&self, state: &mut State, news: News) -> bool {
        let Some(running) = state.running.get_mut(&news.server).filter(|running| running.run == news.run)
        else {
            return false; // of a discovery that was stopped
        };
        let now = (self.clock)();
        let health = &mut running.health;
        let reachable = matches!(news.what, What::Discovered(_));
        let attempt = if reachable { Attempt::Succeeded } else { Attempt::Failed };
        self.metrics.discovery(news.server.as_str(), attempt);
        if health.reachable != reachable {
            (health.reachable, health.since) = (reachable, now);
        }
        match news.what {
            What::Failed(error) => {
                health.last_error = Some(error);
                false
            }
            What::Discovered(found) => {
                health.last_error = None;
                health.last_discovered = Some(now);
                let before = state.catalogue.servers.insert(news.server, Arc::clone(&found));
                before != Some(found)
            }
        }
    }

    /// Compiles, publishes, then tells event streams: who lists after that gets the new list.
    fn publish(&self, state: &mut State) {
        let (snapshot, conflicts) = compile(&state.spec, &state.catalogue);
        let listings = Listings::of(&snapshot, &state.spec);
        self.routes.publish(snapshot);
        for conflict in conflicts.iter().filter(|conflict| !state.conflicts.contains(conflict)) {
            let Conflict { server, primitive, name, owner } = conflict;
            let list = primitive.member();
            tracing::warn!(%server, list, %name, %owner, "not offered: an earlier server has the name");
        }
        state.conflicts = conflicts;
        self.listings.send_if_modified(|now| {
            let changed = *now != listings;
            *now = listings;
            changed
        });
        self.report(state);
    }

    fn report(&self, state: &State) {
        let snapshot = self.routes.load();
        let status = Status {
            servers: state.spec.servers.iter().map(|server| state.server_status(server)).collect(),
            virtual_servers: snapshot
                .map(|snapshot| virtual_servers(&snapshot, &state.spec))
                .unwrap_or_default(),
        };
        self.status.send_replace(Arc::new(status));
    }

    /// Where nothing but the health of one server is another now.
    fn report_on(&self, state: &State, server: &ObjectName) {
        let Some(spec) = state.spec.servers.iter().find(|spec| spec.name == *server) else { return };
        self.status.send_modify(|status| {
            let known = status.servers.iter().position(|known| known.name == server.as_str());
            if let Some(known) = known.and_then(|place| Arc::make_mut(status).servers.get_mut(place)) {
                *known = state.server_status(spec);
            }
        });
    }
}

impl State {
    fn server_status(&self, server: &ServerSpec) -> ServerStatus {
        let health = self.running.get(&server.name).map(|running| running.health.clone()).unwrap_or_default();
        let found = self.catalogue.servers.get(&server.name).filter(|_| server.enabled);
        let conflicts: Vec<Clash> = self
            .conflicts
            .iter()
            .filter(|conflict| conflict.server == server.name)
            .map(|conflict| Clash {
                kind: conflict.primitive.into(),
                name: conflict.name.to_string(),
                owner: conflict.owner.to_string(),
            })
            .collect();
        let offered = |primitive: Primitive| {
            let refused = conflicts.iter().filter(|clash| clash.kind == primitive.into()).count();
            found.map_or(0, |found| found.items(primitive).len()).saturating_sub(refused)
        };
        let rejected = found.iter().flat_map(|found| &found.rejected);
        ServerStatus {
            name: server.name.to_string(),
            fingerprint: report::fingerprint(server),
            enabled: server.enabled,
            reachable: health.reachable,
            since: health.since.0,
            revision: found.map(|found| found.revision.as_str()),
            issues_sessions: found.is_some_and(|found| found.issues_sessions),
            offers_stream: found.is_some_and(|found| found.offers_stream),
            has_event_ids: found.is_some_and(|found| found.has_event_ids),
            tools: offered(Primitive::Tool),
            prompts: offered(Primitive::Prompt),
            resources: offered(Primitive::Resource),
            resource_templates: offered(Primitive::ResourceTemplate),
            rejected: rejected
                .map(|item| Rejected {
                    kind: item.primitive.into(),
                    name: item.name.clone(),
                    reason: item.reason.clone(),
                })
                .collect(),
            conflicts,
            last_error: health.last_error,
            last_discovered: health.last_discovered.map(|at| at.0),
        }
    }
}

fn virtual_servers(snapshot: &Snapshot, spec: &Spec) -> Vec<VirtualServerStatus> {
    let owned = |missing: Vec<&str>| -> Vec<String> { missing.into_iter().map(str::to_owned).collect() };
    let status = spec.virtual_servers.iter().map(|named| {
        let missing = owned(snapshot.missing(&named.tools));
        VirtualServerStatus {
            name: named.name.to_string(),
            tools: named.tools.len().saturating_sub(missing.len()),
            missing,
            missing_prompts: owned(snapshot.missing_prompts(named.prompts.as_deref().unwrap_or_default())),
            missing_resources: owned(
                snapshot.missing_resources(named.resources.as_deref().unwrap_or_default()),
            ),
        }
    });
    status.collect()
}

/// Whether a discovery of `before` serves for `now`. What only routing reads may differ.
fn same_upstream(now: &ServerSpec, before: &ServerSpec) -> bool {
    let revealed = |server: &ServerSpec| {
        server.credential.as_ref().map(|credential| credentials::reveal(credential, CredentialPart::Whole))
    };
    now.url == before.url
        && now.prefix == before.prefix
        && now.ca_bundle == before.ca_bundle
        && now.timeouts == before.timeouts
        && revealed(now) == revealed(before)
}
