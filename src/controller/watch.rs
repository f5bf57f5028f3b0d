//! Watches: one for each kind, from the first list on; every change goes into one bounded channel.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, pin_mut};
use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher::{self, Event, watcher},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::object::{Key, Kind, Object, Resource};

/// Changes that wait to be taken in, at most.
pub(super) const MAX_WAITING: usize = 1024;

/// Waits after an error: the first, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often it is looked whether the cluster has a kind by now.
const ABSENT_PAUSE: Duration = Duration::from_secs(10);

/// Longest wait for the next piece of a list.
const LIST_DEADLINE: Duration = Duration::from_mins(1);

/// What has happened in the cluster.
#[derive(Debug)]
pub(super) enum Change {
    Apply(Box<Object>),
    Delete(Kind, Key),
    /// The list of the kind is complete; what it did not name was deleted before.
    Listed(Kind),
    /// The cluster does not have the kind.
    Absent(Kind),
}

/// Follows one kind until nobody reads `changes` any more.
pub(super) async fn follow(client: Client, kind: Kind, changes: mpsc::Sender<Change>) {
    let mut follower = Follower { kind, known: BTreeSet::new(), listed: None, changes };
    let api = api(client, &kind.resource());
    let mut pause = FIRST_PAUSE;
    loop {
        let (ended, was_listed) = follower.once(api.clone()).await;
        if was_listed {
            pause = FIRST_PAUSE;
        }
        match ended {
            End::NobodyReads => return,
            End::Absent => {
                if follower.absent().await.is_none() {
                    return;
                }
                sleep(ABSENT_PAUSE).await;
            }
            End::Failed(why) => {
                // many watches fail at once, and must not come back at once
                let wait = pause.mul_f64(0.75 + fastrand::f64() / 2.0);
                tracing::warn!(%kind, why, retry_in_ms = wait.as_millis(), "cannot watch");
                sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The API of a kind, in all namespaces.
fn api(client: Client, resource: &Resource) -> Api<DynamicObject> {
    Api::all_with(client, &api_resource(resource))
}

/// How kube is told of a kind.
pub(super) fn api_resource(resource: &Resource) -> ApiResource {
    let Resource { group, version, kind, plural, .. } = resource;
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn config(resource: &Resource) -> watcher::Config {
    let mut config = watcher::Config::default();
    if !resource.labels.is_empty() {
        config = config.labels(resource.labels);
    }
    if !resource.name.is_empty() {
        config = config.fields(&format!("metadata.name={}", resource.name));
    }
    config
}

/// Why a watch is over.
enum End {
    NobodyReads,
    Absent,
    Failed(String),
}

struct Follower {
    kind: Kind,
    /// What the index has.
    known: BTreeSet<Key>,
    /// What the list that is under way has named so far.
    listed: Option<BTreeSet<Key>>,
    changes: mpsc::Sender<Change>,
}

impl Follower {
    /// From a new list to the first error; and whether the list was complete.
    async fn once(&mut self, api: Api<DynamicObject>) -> (End, bool) {
        let mut was_listed = false;
        let events = watcher(api, config(&self.kind.resource()));
        pin_mut!(events);
        loop {
            let next = match self.listed {
                Some(_) => timeout(LIST_DEADLINE, events.next()).await,
                None => Ok(events.next().await),
            };
            let event = match next {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return (self.end_of(&error), was_listed),
                Ok(None) => return (End::Failed("the watch has ended".to_owned()), was_listed),
                Err(_elapsed) => return (End::Failed("the list does not come".to_owned()), was_listed),
            };
            was_listed |= matches!(event, Event::InitDone);
            if self.take(event).await.is_none() {
                return (End::NobodyReads, was_listed);
            }
        }
    }

    /// `None` when nobody reads any more.
    async fn take(&mut self, event: Event<DynamicObject>) -> Option<()> {
        match event {
            Event::Init => self.listed = Some(BTreeSet::new()),
            Event::InitApply(object) | Event::Apply(object) => self.apply(object).await?,
            Event::Delete(object) => self.delete(Key::of(&object.metadata)).await?,
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                for key in self.known.difference(&listed).cloned().collect::<Vec<_>>() {
                    self.delete(key).await?;
                }
                self.send(Change::Listed(self.kind)).await?;
            }
        }
        Some(())
    }

    async fn apply(&mut self, mut object: DynamicObject) -> Option<()> {
        let key = Key::of(&object.metadata);
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        lighten(&mut object);
        match Object::decode(self.kind, object) {
            Ok(object) => {
                self.known.insert(key);
                self.send(Change::Apply(Box::new(object))).await
            }
            Err(error) => {
                tracing::warn!(kind = %self.kind, object = %key, %error, "cannot read the object: it counts as absent");
                self.delete(key).await
            }
        }
    }

    async fn delete(&mut self, key: Key) -> Option<()> {
        if self.known.remove(&key) { self.send(Change::Delete(self.kind, key)).await } else { Some(()) }
    }

    async fn absent(&mut self) -> Option<()> {
        self.listed = None;
        for key in std::mem::take(&mut self.known) {
            self.send(Change::Delete(self.kind, key)).await?;
        }
        self.send(Change::Absent(self.kind)).await
    }

    async fn send(&self, change: Change) -> Option<()> {
        self.changes.send(change).await.ok()
    }

    fn end_of(&self, error: &watcher::Error) -> End {
        use watcher::Error;
        let resource = self.kind.resource();
        let (code, message) = match error {
            Error::InitialListFailed(kube::Error::Api(status))
            | Error::WatchStartFailed(kube::Error::Api(status))
            | Error::WatchFailed(kube::Error::Api(status))
            | Error::WatchError(status) => (status.code, status.message.clone()),
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                (0, error.to_string())
            }
            Error::NoResourceVersion => (0, error.to_string()),
        };
        match code {
            404 if resource.optional => End::Absent,
            404 => End::Failed(format!(
                "the cluster has no {}; apply deploy/crds ({message})",
                resource.full_name()
            )),
            403 => End::Failed(format!(
                "a rule for get, list and watch of {} is missing; it is in deploy/controller/rbac.yaml ({message})",
                resource.full_name()
            )),
            _ => End::Failed(message),
        }
    }
}

/// Takes off what nobody reads; kubectl's annotation may hold a whole Secret, and anybody may write long ones.
fn lighten(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    object.metadata.annotations = None;
}
