//! What is remembered beside server sessions: who has answered, who runs what, the log level.

use std::sync::Arc;

use mcp_gateway::{
    clock,
    exchange::SessionId,
    sessions::{CALLS_REMEMBERED, ServerSession, Store},
};

use crate::setting::{
    GITHUB, RedisServer, SESSION, eventually, in_an_hour, open, opens, session, start_stuck, stores,
};

const OTHER: SessionId = SessionId([8; 16]);
const SLACK: &str = "mcp-test/slack";

#[tokio::test]
async fn a_request_is_answered_once_whichever_replica_is_asked() {
    for (a, b) in stores().await.pairs() {
        assert_eq!(a.settle(SESSION, "alias-1").await, Ok(true));
        assert_eq!(b.settle(SESSION, "alias-1").await, Ok(false));
        assert_eq!(a.settle(SESSION, "alias-1").await, Ok(false));
        assert_eq!(b.settle(SESSION, "alias-2").await, Ok(true));
        assert_eq!(b.settle(OTHER, "alias-1").await, Ok(true), "another session's is another one");
    }
}

#[tokio::test]
async fn of_many_answers_at_once_one_is_the_first() {
    for (a, b) in stores().await.pairs() {
        let answers = (0..100).map(|number| {
            let store = Arc::clone(if number % 2 == 0 { a } else { b });
            async move { store.settle(SESSION, "alias-1").await.unwrap() }
        });
        let first = futures_util::future::join_all(answers).await;
        assert_eq!(first.iter().filter(|first| **first).count(), 1);
    }
}

#[tokio::test]
async fn who_runs_a_request_is_known_however_its_id_is_spelled() {
    for (a, b) in stores().await.pairs() {
        a.note(SESSION, r#""a""#, GITHUB);
        a.note(SESSION, "1", SLACK);
        noted(b, SESSION, "1", SLACK).await;
        noted(b, SESSION, r#""\u0061""#, GITHUB).await;
        for (session, request) in [(SESSION, r#""1""#), (SESSION, "2"), (OTHER, "1")] {
            assert_eq!(b.running(session, request).await, Ok(None), "{request}");
        }
        a.note(SESSION, "1", GITHUB);
        noted(b, SESSION, "1", GITHUB).await;
    }
}

#[tokio::test]
async fn nothing_is_noted_of_clients_without_a_session() {
    let nobody = SessionId([0; 16]);
    for (a, b) in stores().await.pairs() {
        a.note(nobody, "1", GITHUB);
        a.note(SESSION, "1", GITHUB);
        noted(b, SESSION, "1", GITHUB).await;
        assert_eq!(b.running(nobody, "1").await, Ok(None));
    }
}

#[tokio::test]
async fn a_note_is_lost_without_redis_and_costs_nothing() {
    let mut redis = RedisServer::start().await;
    let store = redis.store().await;
    redis.kill();
    let began = tokio::time::Instant::now();
    for request in 0..10_000 {
        store.note(SESSION, &request.to_string(), GITHUB);
    }
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    redis.start_again();
    eventually(async || store.check().await.is_ok()).await;
    store.note(SESSION, "\"last\"", GITHUB);
    eventually(async || {
        store.note(SESSION, "\"last\"", GITHUB);
        store.running(SESSION, "\"last\"").await == Ok(Some(GITHUB.into()))
    })
    .await;
}

#[tokio::test]
async fn of_one_session_the_newest_calls_are_remembered() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    for request in 0..CALLS_REMEMBERED + 10 {
        let request = request.to_string();
        store.note(SESSION, &request, GITHUB);
        noted(&store, SESSION, &request, GITHUB).await;
    }
    for request in 0..10 {
        assert_eq!(store.running(SESSION, &request.to_string()).await, Ok(None), "{request}");
    }
    noted(&store, SESSION, "10", GITHUB).await;
}

#[tokio::test]
async fn a_log_level_is_the_sessions_own_and_ends_with_it() {
    for (a, b) in stores().await.pairs() {
        assert_eq!(b.level(SESSION).await, Ok(None));
        a.set_level(SESSION, in_an_hour(), "debug").await.unwrap();
        assert_eq!(b.level(SESSION).await, Ok(Some("debug".into())));
        b.set_level(SESSION, in_an_hour(), "error").await.unwrap();
        assert_eq!(a.level(SESSION).await, Ok(Some("error".into())));
        assert_eq!(a.level(OTHER).await, Ok(None));
        assert_eq!(a.servers(SESSION).await, Ok(vec![]), "a level is no server session");
        b.revoke(SESSION, in_an_hour()).await.unwrap();
        assert_eq!(a.level(SESSION).await, Ok(None));
    }
}

#[tokio::test]
async fn a_log_level_is_forgotten_when_the_session_expires() {
    let soon = clock::now().plus(std::time::Duration::from_secs(2));
    for (a, b) in stores().await.pairs() {
        a.set_level(SESSION, soon, "debug").await.unwrap();
        eventually(async || b.level(SESSION).await == Ok(None)).await;
    }
}

#[tokio::test]
async fn the_servers_of_a_session_are_those_it_has_sessions_at() {
    for (a, b) in stores().await.pairs() {
        assert_eq!(b.servers(SESSION).await, Ok(vec![]));
        a.open(SESSION, in_an_hour(), SLACK, None, opens("s2")).await.unwrap();
        open(a, None, "s1").await.unwrap();
        let none = ServerSession::without_id(mcp_gateway::mcp::Revision::LATEST);
        let without_id = std::future::ready(Ok::<_, String>(none.clone()));
        a.open(SESSION, in_an_hour(), "mcp-test/a", None, without_id).await.unwrap();
        a.open(OTHER, in_an_hour(), "mcp-test/b", None, opens("s3")).await.unwrap();
        let expected =
            [("mcp-test/a".into(), none), (GITHUB.into(), session("s1")), (SLACK.into(), session("s2"))];
        assert_eq!(b.servers(SESSION).await.unwrap(), expected);
        b.revoke(SESSION, in_an_hour()).await.unwrap();
        assert_eq!(a.servers(SESSION).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_server_session_that_is_being_opened_is_not_among_them_yet() {
    for (a, b) in stores().await.pairs() {
        let call = start_stuck(a, None).await;
        assert_eq!(b.servers(SESSION).await, Ok(vec![]));
        call.abort();
    }
}

#[tokio::test]
async fn without_redis_there_is_no_answer_to_make_up() {
    let mut redis = RedisServer::start().await;
    let store = redis.store().await;
    redis.kill();
    assert!(store.settle(SESSION, "alias-1").await.is_err());
    assert!(store.running(SESSION, "1").await.is_err());
    assert!(store.set_level(SESSION, in_an_hour(), "debug").await.is_err());
    assert!(store.level(SESSION).await.is_err());
    assert!(store.servers(SESSION).await.is_err());
}

/// Waits until `store` knows who runs a request.
async fn noted(store: &Store, session: SessionId, request: &str, server: &str) {
    eventually(async || store.running(session, request).await == Ok(Some(server.into()))).await;
}
