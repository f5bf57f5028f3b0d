//! What a store in Redis does when Redis fails, is slow, or holds what others have written.

use std::{future::pending, time::Duration};

use mcp_gateway::{
    clock,
    exchange::SessionId,
    sessions::{
        CONNECT_TIMEOUT, Found, LOCK_LIFE, OpenFailure, Opened, RESPONSE_TIMEOUT, ServerSession, Store,
        StoreError,
    },
};
use tokio::{sync::oneshot, time::Instant};

use crate::setting::{
    GITHUB, RedisServer, SESSION, SOON, eventually, free_port, in_an_hour, lock_key, open, ready_with,
    session, session_key, start, start_stuck, within,
};

#[tokio::test]
async fn redis_is_killed_and_comes_back() {
    let mut redis = RedisServer::start().await;
    let (a, b) = (redis.store().await, redis.store().await);
    open(&a, None, "s1").await.unwrap();
    redis.kill();
    for store in [&a, &b, &a] {
        let began = Instant::now();
        let error = store.find(SESSION, GITHUB).await.unwrap_err();
        assert!(began.elapsed() < CONNECT_TIMEOUT + RESPONSE_TIMEOUT, "{:?}", began.elapsed());
        let expected = format!("the session store does not answer: redis at 127.0.0.1:{}: ", redis.port);
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert!(matches!(open(&a, None, "s2").await, Err(OpenFailure::Store(StoreError::Unavailable { .. }))));
    assert!(a.revoke(SESSION, in_an_hour()).await.is_err());
    redis.start_again();
    eventually(async || a.find(SESSION, GITHUB).await.is_ok()).await;
    assert_eq!(a.find(SESSION, GITHUB).await, Ok(Found::Missing), "nothing is made up");
    assert_eq!(open(&a, None, "s2").await, Ok(ready_with("s2")));
    eventually(async || b.find(SESSION, GITHUB).await == Ok(Found::Session(session("s2")))).await;
}

#[tokio::test]
async fn redis_restarts_between_two_calls_and_neither_notices() {
    let mut redis = RedisServer::start().await;
    let (store, probe) = (redis.store().await, redis.store().await);
    assert_eq!(store.find(SESSION, GITHUB).await, Ok(Found::Missing));
    redis.kill();
    redis.start_again();
    eventually(async || probe.check().await.is_ok()).await;
    assert_eq!(store.find(SESSION, GITHUB).await, Ok(Found::Missing));
}

#[tokio::test]
async fn redis_dies_while_a_session_is_opened() {
    let mut redis = RedisServer::start().await;
    let store = redis.store().await;
    let (opened, opening) = oneshot::channel();
    let call = start(&store, None, async move { Ok(opening.await.unwrap()) }).await;
    redis.kill();
    opened.send(session("s1")).unwrap();
    let outcome = within(SOON, call).await.unwrap();
    assert!(matches!(outcome, Err(OpenFailure::Store(StoreError::Unavailable { .. }))), "{outcome:?}");
}

#[tokio::test]
async fn redis_that_hangs_is_an_error_in_time_and_is_used_again_when_it_goes_on() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    open(&store, None, "s1").await.unwrap();
    redis.signal("STOP");
    let began = Instant::now();
    let error = store.find(SESSION, GITHUB).await.unwrap_err();
    assert!(began.elapsed() < CONNECT_TIMEOUT + RESPONSE_TIMEOUT, "{:?}", began.elapsed());
    assert!(error.to_string().ends_with("no answer within 2 s"), "{error}");
    redis.signal("CONT");
    eventually(async || store.find(SESSION, GITHUB).await == Ok(Found::Session(session("s1")))).await;
}

#[tokio::test]
async fn redis_that_refuses_is_asked_again() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    let mut admin = redis.connection().await;
    let requirepass = |password: &'static str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("requirepass").arg(password);
        command
    };
    requirepass("hunter2").exec_async(&mut admin).await.unwrap();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec_async(&mut admin).await.unwrap();
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.ends_with("it refuses: NOAUTH"), "{error}");
    requirepass("").exec_async(&mut admin).await.unwrap();
    eventually(async || store.check().await.is_ok()).await;

    let with_password = Store::redis(&redis.url().replace("//", "//:hunter2@"), clock::now).await.unwrap();
    let error = with_password.check().await.unwrap_err().to_string();
    assert!(error.ends_with("authentication failed"), "{error}");
    requirepass("hunter2").exec_async(&mut admin).await.unwrap();
    eventually(async || with_password.check().await.is_ok()).await;
}

#[tokio::test]
async fn the_lock_of_a_replica_that_died_expires() {
    let redis = RedisServer::start().await;
    let (dead, alive) = (redis.store().await, redis.store().await);
    let replica = tokio::runtime::Runtime::new().unwrap();
    let (began, begun) = oneshot::channel::<()>();
    replica.spawn(async move {
        let opener = async {
            began.send(()).unwrap();
            pending::<Result<ServerSession, String>>().await
        };
        dead.open(SESSION, in_an_hour(), GITHUB, None, opener).await
    });
    within(SOON, begun).await.unwrap();
    // ends like a process: no destructor of the call can reach Redis any more
    replica.shutdown_background();
    let locked: bool =
        redis::cmd("EXISTS").arg(lock_key()).query_async(&mut redis.connection().await).await.unwrap();
    assert!(locked);
    assert_eq!(within(LOCK_LIFE + SOON, open(&alive, None, "s2")).await, Ok(ready_with("s2")));
}

#[tokio::test]
async fn a_lock_is_kept_for_as_long_as_the_opening_takes() {
    let redis = RedisServer::start().await;
    let (a, b) = (redis.store().await, redis.store().await);
    let (opened, opening) = oneshot::channel();
    let slow = start(&a, None, async move { Ok(opening.await.unwrap()) }).await;
    let mut waiting = tokio::spawn(async move { open(&b, None, "s2").await });
    let meanwhile = tokio::time::timeout(LOCK_LIFE + Duration::from_secs(1), &mut waiting).await;
    assert!(meanwhile.is_err(), "the other replica waits");
    opened.send(session("s1")).unwrap();
    assert_eq!(slow.await.unwrap(), Ok(ready_with("s1")));
    assert_eq!(within(SOON, waiting).await.unwrap(), Ok(ready_with("s1")));
}

#[tokio::test]
async fn a_session_stored_by_another_replica_meanwhile_wins() {
    let redis = RedisServer::start().await;
    let (a, b) = (redis.store().await, redis.store().await);
    let (opened, opening) = oneshot::channel();
    let slow = start(&a, None, async move { Ok(opening.await.unwrap()) }).await;
    // as if the first replica had been asleep for longer than its lock lives
    redis::cmd("DEL").arg(lock_key()).exec_async(&mut redis.connection().await).await.unwrap();
    assert_eq!(open(&b, None, "s2").await, Ok(ready_with("s2")));
    opened.send(session("s1")).unwrap();
    let expected = Opened { session: Some(session("s2")), stray: Some(session("s1")) };
    assert_eq!(within(SOON, slow).await.unwrap(), Ok(expected));
}

#[tokio::test]
async fn what_another_version_has_stored_is_replaced() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    let mut connection = redis.connection().await;
    let field = format!("server:{GITHUB}");
    let unreadable: &[u8] = b"\xFF\x00";
    let key = session_key();
    redis::cmd("HSET").arg(&key).arg(&field).arg(unreadable).exec_async(&mut connection).await.unwrap();
    assert_eq!(store.find(SESSION, GITHUB).await, Ok(Found::Missing));
    assert_eq!(open(&store, None, "s1").await, Ok(ready_with("s1")));
    assert_eq!(store.find(SESSION, GITHUB).await, Ok(Found::Session(session("s1"))));
}

#[tokio::test]
async fn every_key_expires() {
    let redis = RedisServer::start().await;
    let store = redis.store().await;
    let mut connection = redis.connection().await;
    open(&store, None, "s1").await.unwrap();
    store.revoke(SessionId([8; 16]), in_an_hour()).await.unwrap();
    let call = start_stuck(&store, Some("s1")).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 3, "two sessions and a lock: {keys:?}");
    for key in keys {
        let seconds: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!((1..=3_600).contains(&seconds), "{key}: {seconds}");
    }
    call.abort();
}

#[tokio::test]
async fn a_password_is_in_no_error_and_no_debug() {
    let port = free_port();
    let store = Store::redis(&format!("redis://me:hunter2@127.0.0.1:{port}/1"), clock::now).await.unwrap();
    let error = store.check().await.unwrap_err();
    let wrong = ["redis://me:hunter2@:x", "http://me:hunter2@h", "hunter2", "redis://h/hunter2"];
    let mut shown = vec![format!("{store:?} {error} {error:?}")];
    for url in wrong {
        let error = Store::redis(url, clock::now).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let shown = shown.join("\n");
    assert!(shown.contains(&format!("127.0.0.1:{port}")) && !shown.contains("hunter2"), "{shown}");
}
