//! A configuration in Secrets, followed through the API server.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "what is spawned ends with the test")]

mod api;

use std::{net::SocketAddr, time::Duration};

use api::{Api, Secrets};
use mcp_gateway::{
    clock,
    credentials::{CredentialPart, reveal},
    source::{self, SourceStatus, Watched},
};
use secrecy::SecretString;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Far more than a change takes to be seen.
const SOON: Duration = Duration::from_secs(20);
const NAME: &str = "mcp-gateway-config";

struct Follow {
    secrets: Secrets,
    api: Api,
    watched: Watched,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Follow {
    async fn new() -> Self {
        let secrets = Secrets::new();
        let api = Api::start(&secrets, SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let watched =
            source::watch_secret(api.client(), "mcp-system", NAME, clock::now, &tasks, stop.clone());
        Self { secrets, api, watched, tasks, stop }
    }

    /// Waits until the status is as wanted.
    async fn until(&mut self, what: &str, wanted: impl FnMut(&SourceStatus) -> bool) -> SourceStatus {
        let found = timeout(SOON, self.watched.status.wait_for(wanted)).await;
        found.unwrap_or_else(|_| panic!("not in time: {what}")).unwrap().clone()
    }

    /// The public host, and how many servers there are.
    fn spec(&self) -> (Option<String>, usize) {
        let spec = self.watched.spec.borrow();
        (spec.public_hosts.first().map(ToString::to_string), spec.servers.len())
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(SOON, self.tasks.wait()).await.unwrap();
        self.api.stop().await;
    }
}

fn config(host: &str, servers: usize) -> String {
    let server = |n| {
        format!(
            r#"{{"name": "a/s{n}", "url": "http://s{n}.example/mcp", "toolPrefix": "{}_"}}"#,
            "p".repeat(60)
        )
    };
    let servers: Vec<_> = (0..servers).map(server).collect();
    format!(r#"{{"publicHost": ["{host}"], "servers": [{}]}}"#, servers.join(","))
}

fn says(status: &SourceStatus, text: &str) -> bool {
    status.problems.iter().any(|problem| problem.message.contains(text))
}

#[tokio::test]
async fn a_configuration_comes_changes_and_goes_with_its_secret() {
    let mut follow = Follow::new().await;
    assert!(!follow.watched.status.borrow().is_configured());
    assert_eq!(follow.spec(), (None, 0));
    follow.until("it is said what is waited for", |status| says(status, "does not exist")).await;

    follow.secrets.put(NAME, &[("config.json", &config("a.example", 1))]);
    let first = follow.until("the first", SourceStatus::is_configured).await;
    assert_eq!(
        (first.generation, first.problems.len(), follow.spec()),
        (1, 0, (Some("a.example".into()), 1))
    );

    follow.secrets.put(NAME, &[("config.json", &config("b.example", 2))]);
    follow.until("a change", |status| status.generation == 2).await;
    assert_eq!(follow.spec(), (Some("b.example".into()), 2));

    follow.secrets.put(NAME, &[("config.json", r#"{"publicHost": 5}"#)]);
    let bad = follow.until("a bad one is refused", |status| status.rejected == 1).await;
    assert_eq!((bad.generation, bad.problems[0].path.as_str()), (2, "publicHost"));
    follow.secrets.put(NAME, &[("other", "")]);
    follow.until("an empty one is refused", |status| says(status, "neither `config.json` nor")).await;
    assert_eq!(follow.spec(), (Some("b.example".into()), 2));

    follow.secrets.remove(NAME);
    let gone = follow.until("it is gone", |status| !status.is_configured()).await;
    assert_eq!((gone.rejected, follow.spec()), (2, (None, 0)));
    follow.secrets.put(NAME, &[("config.json", &config("b.example", 2))]);
    follow.until("it is back", SourceStatus::is_configured).await;
    assert_eq!(follow.spec(), (Some("b.example".into()), 2));
    follow.end().await;
}

#[tokio::test]
async fn the_last_good_configuration_stays_while_the_api_server_is_away() {
    let mut follow = Follow::new().await;
    follow.secrets.put(NAME, &[("config.json", &config("a.example", 1))]);
    follow.until("the first", SourceStatus::is_configured).await;
    let address = follow.api.address;
    let nowhere = Api::start(&Secrets::new(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    std::mem::replace(&mut follow.api, nowhere).stop().await;
    follow.secrets.put(NAME, &[("config.json", &config("b.example", 1))]);
    assert_eq!(follow.spec(), (Some("a.example".into()), 1));

    let back = Api::start(&follow.secrets, address).await;
    std::mem::replace(&mut follow.api, back).stop().await;
    let status = follow.until("what changed meanwhile", |status| status.generation == 2).await;
    assert_eq!((status.rejected, follow.spec()), (0, (Some("b.example".into()), 1)));
    follow.end().await;
}

#[tokio::test]
async fn a_configuration_in_parts_is_read_when_all_are_there() {
    let text = |host: &str| SecretString::from(config(host, 10_000));
    let shards = |host: &str| {
        let shown = |secret: &SecretString| String::from_utf8(reveal(secret, CredentialPart::Whole)).unwrap();
        let shards = source::split(NAME, &text(host)).unwrap();
        let shards = shards.into_iter().map(|shard| {
            let entries: Vec<_> =
                shard.entries.into_iter().map(|(key, value)| (key, shown(&value))).collect();
            (shard.name, entries)
        });
        shards.collect::<Vec<_>>()
    };
    let mut follow = Follow::new().await;
    let put = |follow: &Follow, (name, entries): &(String, Vec<(String, String)>)| {
        let entries: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        follow.secrets.put(name, &entries);
    };
    let (first, second) = (shards("a.example"), shards("b.example"));
    assert!(first.len() > 2, "{} Secrets", first.len());
    // the head first, which is the wrong way round
    for shard in first.iter().rev() {
        assert!(!follow.watched.status.borrow().is_configured());
        put(&follow, shard);
        if shard.0 != first[0].0 {
            follow.until("it waits for the rest", |status| says(status, "is not there yet")).await;
        }
    }
    follow.until("the first", SourceStatus::is_configured).await;
    assert_eq!(follow.spec(), (Some("a.example".into()), 10_000));

    for shard in second.iter().rev() {
        assert_eq!(follow.spec(), (Some("a.example".into()), 10_000));
        put(&follow, shard);
    }
    follow.until("the second", |status| status.generation == 2 && status.problems.is_empty()).await;
    assert_eq!(follow.spec(), (Some("b.example".into()), 10_000));
    follow.end().await;
}

#[tokio::test]
async fn a_key_is_waited_for() {
    let secrets = Secrets::new();
    let api = Api::start(&secrets, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let key = tokio::spawn({
        let client = api.client();
        async move { source::wait_for_key(client, "mcp-system", "key").await }
    });
    secrets.put("other", &[("keys", "wrong")]);
    secrets.put("key", &[("other", "wrong")]);
    secrets.put("key", &[("keys", "right")]);
    let key = timeout(SOON, key).await.unwrap().unwrap();
    assert_eq!(reveal(&key, CredentialPart::Whole), b"right");
    api.stop().await;
}
