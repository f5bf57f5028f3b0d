//! Follows a configuration in Secrets through the API server, and waits for a key in one.

use std::{future::ready, pin::pin, time::Duration};

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, watch_object},
    },
};
use secrecy::SecretString;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Loaded, Overrides, Problem, Watched, read_text,
    shards::{Head, fingerprint, is_whole, part},
    watched::Publisher,
};
use crate::clock::UnixTime;

/// Between two looks at a set of Secrets that do not belong together yet.
const SETTLE: Duration = Duration::from_millis(250);
/// For one answer of the API server.
const DEADLINE: Duration = Duration::from_secs(10);
/// Key of the Secret that [`wait_for_key`] reads.
const KEYS: &str = "keys";

/// Follows the configuration that starts in the Secret `name` until `stop`. There is none at first, and none again when
/// the Secret is gone. While the API server cannot be reached, the last good one stays.
pub fn watch_secret(
    client: Client,
    namespace: &str,
    name: &str,
    clock: fn() -> UnixTime,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Watched {
    let (publisher, watched) = Publisher::new(format!("Secret {namespace}/{name}"), clock);
    let secrets = Api::namespaced(client, namespace);
    let follower = Follower { secrets, name: name.to_owned(), publisher, seen: None };
    tasks.spawn(async move {
        tokio::select! {
            () = follower.follow() => {}
            () = stop.cancelled() => {}
        }
    });
    watched
}

/// Waits until the Secret `name` exists and has `keys`, and reads them.
pub async fn wait_for_key(client: Client, namespace: &str, name: &str) -> SecretString {
    let secret = format!("{namespace}/{name}");
    let read = |found: watcher::Result<Option<Secret>>| {
        let why = match found {
            Err(error) => error.to_string(),
            Ok(None) => "it does not exist yet".to_owned(),
            Ok(Some(found)) => {
                let keys = found.data.unwrap_or_default().remove(KEYS);
                match keys.map(|keys| String::from_utf8(keys.0)) {
                    Some(Ok(keys)) => return ready(Some(SecretString::from(keys))),
                    Some(Err(_not_text)) => format!("`{KEYS}` is not text"),
                    None => format!("it has no `{KEYS}`"),
                }
            }
        };
        tracing::info!(%secret, why, "waiting for the session key");
        ready(None)
    };
    let found = pin!(follow(Api::namespaced(client, namespace), name).filter_map(read)).next().await;
    match found {
        Some(keys) => keys,
        // the watch has no end of its own
        None => std::future::pending().await,
    }
}

/// The Secret whenever it changes, `None` when there is none. Only it is asked for by name, so that a right to read no
/// other is enough.
fn follow(
    secrets: Api<Secret>,
    name: &str,
) -> impl Stream<Item = watcher::Result<Option<Secret>>> + Send + use<> {
    watch_object(secrets, name).backoff(Retry::default())
}

struct Follower {
    secrets: Api<Secret>,
    name: String,
    publisher: Publisher,
    /// Of the configuration that was read last, good or bad.
    seen: Option<String>,
}

impl Follower {
    async fn follow(mut self) {
        let mut heads = pin!(follow(self.secrets.clone(), &self.name));
        let mut unread: Option<Head> = None;
        loop {
            tokio::select! {
                head = heads.next() => match head {
                    Some(head) => unread = self.head(head, unread),
                    None => return,
                },
                () = sleep(SETTLE), if unread.is_some() => {}
            }
            if let Some(head) = &unread
                && let Some(text) = self.whole(head).await
            {
                unread = None;
                self.read(text).await;
            }
        }
    }

    /// What is to be read next.
    fn head(&mut self, found: watcher::Result<Option<Secret>>, unread: Option<Head>) -> Option<Head> {
        match found {
            Ok(Some(secret)) => match Head::read(&self.name, &secret.data.unwrap_or_default()) {
                Ok(head) => Some(head),
                Err(why) => {
                    self.seen = None;
                    self.publisher.publish(Err(vec![problem(why, "the controller writes it; let it")]));
                    None
                }
            },
            Ok(None) => {
                self.seen = None;
                let fix = "the controller makes it for an accepted MCPGatewayExtension of this namespace";
                self.publisher.withdraw(problem("does not exist", fix));
                None
            }
            Err(error) => {
                tracing::warn!(secret = self.name, %error, "cannot be followed; trying again");
                if !self.publisher.is_configured() {
                    let fix =
                        "see that the API server can be reached, and that the service account may read it";
                    self.wait(problem(&format!("cannot be read: {error}"), fix));
                }
                unread
            }
        }
    }

    /// The text of the configuration, once all its parts belong together.
    async fn whole(&mut self, head: &Head) -> Option<Vec<u8>> {
        let (names, digest) = match head {
            Head::Whole(text) => return Some(text.clone()),
            Head::Parts { names, digest } => (names, digest),
        };
        let mut whole = Vec::new();
        for name in names {
            let found = timeout(DEADLINE, self.secrets.get_opt(name)).await.ok();
            let secret = found.and_then(Result::ok).flatten();
            let part = secret.and_then(|secret| part(&secret.data.unwrap_or_default(), digest));
            let Some(part) = part else {
                let why = format!("its part in the Secret {name} is not there yet");
                self.wait(problem(&why, "wait for the controller to write it"));
                return None;
            };
            whole.extend(part);
        }
        let is_whole = is_whole(&whole, digest);
        if !is_whole {
            self.wait(problem("its parts are not its own", "wait for the controller to write them"));
        }
        is_whole.then_some(whole)
    }

    /// Shows what is waited for. The next text is read whatever it is, so that this is not shown for longer.
    fn wait(&mut self, why: Problem) {
        self.seen = None;
        self.publisher.wait(why);
    }

    async fn read(&mut self, text: Vec<u8>) {
        let digest = fingerprint(&text);
        // a watch that begins again tells everything again
        if self.seen.as_ref() == Some(&digest) {
            return;
        }
        let outcome = tokio::task::spawn_blocking(move || read(text)).await;
        // only the end of the runtime ends it without an answer
        if let Ok(outcome) = outcome {
            self.publisher.publish(outcome);
            self.seen = Some(digest);
        }
    }
}

fn read(text: Vec<u8>) -> Result<Loaded, Vec<Problem>> {
    let text = String::from_utf8(text)
        .map_err(|_not_text| vec![problem("is not UTF-8 text", "the controller writes it; let it")])?;
    read_text(&text, &Overrides::default())
}

fn problem(message: &str, fix: &str) -> Problem {
    Problem { line: 0, column: 0, path: String::new(), message: message.to_owned(), fix: fix.to_owned() }
}

/// Between attempts to reach the API server: soon at first, never long, and not all instances at once.
struct Retry {
    next: Duration,
}

impl Retry {
    const LEAST: Duration = Duration::from_millis(200);
    const MOST: Duration = Duration::from_secs(5);
}

impl Default for Retry {
    fn default() -> Self {
        Self { next: Self::LEAST }
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.next;
        self.next = (now * 2).min(Self::MOST);
        Some(now.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        *self = Self::default();
    }
}
