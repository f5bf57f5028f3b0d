//! Who watches a session hears of its server sessions.

use std::{sync::Arc, time::Duration};

use mcp_gateway::{
    exchange::SessionId,
    sessions::{ServerSession, Store, WATCH_POLL, Watch},
};

use crate::setting::{GITHUB, RedisServer, SESSION, SOON, in_an_hour, open, opens, session, stores, within};

const OTHER: SessionId = SessionId([8; 16]);

#[tokio::test]
async fn what_opens_is_replaced_or_ends_in_any_replica_wakes() {
    for (a, b) in stores().await.pairs() {
        let mut watch = b.watch(SESSION);
        open(a, None, "s1").await.unwrap();
        seen(b, &mut watch, &[(GITHUB, "s1")]).await;
        open(a, Some("s1"), "s2").await.unwrap();
        seen(b, &mut watch, &[(GITHUB, "s2")]).await;
        a.open(SESSION, in_an_hour(), "mcp-test/slack", None, opens("s3")).await.unwrap();
        seen(b, &mut watch, &[(GITHUB, "s2"), ("mcp-test/slack", "s3")]).await;
        a.revoke(SESSION, in_an_hour()).await.unwrap();
        seen(b, &mut watch, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_this_process_it_wakes_at_once_and_for_nothing_else() {
    let store = Arc::new(Store::memory(100, mcp_gateway::clock::now));
    let mut watches = [store.watch(SESSION), store.watch(SESSION)];
    store.open(OTHER, in_an_hour(), GITHUB, None, opens("s1")).await.unwrap();
    for watch in &mut watches {
        assert!(tokio::time::timeout(WATCH_POLL * 10, watch.changed()).await.is_err(), "another session");
    }
    open(&store, None, "s1").await.unwrap();
    for watch in &mut watches {
        within(Duration::from_millis(1), watch.changed()).await;
        assert!(tokio::time::timeout(WATCH_POLL * 10, watch.changed()).await.is_err(), "once");
    }
    open(&store, Some("s1"), "s2").await.unwrap();
    within(Duration::from_millis(1), watches[0].changed()).await;
    store.revoke(SESSION, in_an_hour()).await.unwrap();
    within(Duration::from_millis(1), watches[0].changed()).await;
}

#[tokio::test]
async fn one_replica_does_not_wait_to_look_at_redis() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    let mut watch = store.watch(SESSION);
    open(&store, None, "s1").await.unwrap();
    within(WATCH_POLL / 4, watch.changed()).await;
}

#[tokio::test]
async fn a_wait_that_is_given_up_again_and_again_hears_of_other_replicas_all_the_same() {
    let redis = RedisServer::start().await;
    let (a, b) = (redis.store().await, redis.store().await);
    let mut watch = b.watch(SESSION);
    seen(&b, &mut watch, &[]).await; // the first look
    open(&a, None, "s1").await.unwrap();
    let heard =
        async { while tokio::time::timeout(Duration::from_millis(50), watch.changed()).await.is_err() {} };
    within(SOON, heard).await;
    assert_eq!(b.servers(SESSION).await, Ok(vec![(GITHUB.into(), session("s1"))]));
}

#[tokio::test]
async fn who_watches_outlives_redis() {
    let mut redis = RedisServer::start().await;
    let (a, b) = (redis.store().await, redis.store().await);
    let mut watch = b.watch(SESSION);
    redis.kill();
    let waiting = tokio::time::timeout(WATCH_POLL + Duration::from_secs(1), watch.changed()).await;
    assert!(waiting.is_err(), "nothing is known to have changed");
    redis.start_again();
    crate::setting::eventually(async || a.check().await.is_ok()).await;
    open(&a, None, "s1").await.unwrap();
    seen(&b, &mut watch, &[(GITHUB, "s1")]).await;
}

/// Waits until who watches has been woken and finds these server sessions.
async fn seen(store: &Store, watch: &mut Watch, expected: &[(&str, &str)]) {
    let expected: Vec<(Box<str>, ServerSession)> =
        expected.iter().map(|&(server, id)| (server.into(), session(id))).collect();
    let heard = async {
        loop {
            watch.changed().await;
            if store.servers(SESSION).await.unwrap() == expected {
                return;
            }
        }
    };
    within(SOON, heard).await;
}
