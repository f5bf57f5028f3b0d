//! The session store: the same promises kept in memory and in a real Redis, and what Redis' death does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "calls of other clients are tasks, and end with the test")]

use std::{
    future::{pending, ready},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_gateway::{
    clock::{self, UnixTime},
    exchange::SessionId,
    mcp::Revision,
    sessions::{
        CONNECT_TIMEOUT, Found, LOCK_LIFE, OPEN_WAIT, OpenFailure, Opened, RESPONSE_TIMEOUT, ServerSession,
        Store, StoreError,
    },
};
use tokio::{sync::oneshot, task::JoinSet, time::Instant};

const GITHUB: &str = "mcp-test/github";
const SESSION: SessionId = SessionId([7; 16]);

/// Longest wait for what must happen soon, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

// What both stores promise. `a` and `b` share their sessions: two replicas on one Redis, or one store in memory.

#[tokio::test]
async fn a_session_is_found_once_it_was_opened() {
    for (a, b) in stores().await.pairs() {
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Missing));
        assert_eq!(open(a, None, "s1").await, Ok(ready_with("s1")));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s1"))));
        assert_eq!(b.find(SESSION, "mcp-test/other").await, Ok(Found::Missing));
        assert_eq!(b.find(SESSION, "").await, Ok(Found::Missing));
        assert_eq!(b.find(SessionId([8; 16]), GITHUB).await, Ok(Found::Missing));
        assert_eq!(open(b, None, "s2").await, Ok(ready_with("s1")), "what is there is not replaced");
    }
}

#[tokio::test]
async fn a_server_without_sessions_is_remembered() {
    let none = ServerSession::without_id(Revision::V2025_03_26);
    for (a, b) in stores().await.pairs() {
        let opener = ready(Ok::<_, String>(none.clone()));
        let opened = a.open(SESSION, in_an_hour(), GITHUB, None, opener).await.unwrap();
        assert_eq!(opened.session, Some(none.clone()));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(none.clone())));
    }
}

#[tokio::test]
async fn a_hundred_calls_open_one_session() {
    for (a, b) in stores().await.pairs() {
        let opened = Arc::new(AtomicUsize::new(0));
        let mut calls = JoinSet::new();
        for call in 0..100 {
            let (store, opened) = (Arc::clone(if call % 2 == 0 { a } else { b }), Arc::clone(&opened));
            calls.spawn(async move {
                let opener = async {
                    opened.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok::<_, String>(session(&format!("s{call}")))
                };
                store.open(SESSION, in_an_hour(), GITHUB, None, opener).await.unwrap().session.unwrap()
            });
        }
        let sessions = calls.join_all().await;
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        assert!(sessions.iter().all(|session| *session == sessions[0]));
    }
}

#[tokio::test]
async fn calls_to_different_servers_and_sessions_do_not_wait_for_each_other() {
    for (a, b) in stores().await.pairs() {
        let stuck = start_stuck(a, None).await;
        let other_server = b.open(SESSION, in_an_hour(), "mcp-test/other", None, opens("s1"));
        assert_eq!(within(SOON, other_server).await, Ok(ready_with("s1")));
        let other_session = b.open(SessionId([8; 16]), in_an_hour(), GITHUB, None, opens("s2"));
        assert_eq!(within(SOON, other_session).await, Ok(ready_with("s2")));
        stuck.abort();
    }
}

#[tokio::test]
async fn a_failure_is_not_shared_with_the_calls_that_waited() {
    for (a, b) in stores().await.pairs() {
        let (fail, failing) = oneshot::channel();
        let first = start(a, None, async move { Err(failing.await.unwrap()) }).await;
        let second = tokio::spawn({
            let b = Arc::clone(b);
            async move { open(&b, None, "s2").await }
        });
        fail.send("401".to_owned()).unwrap();
        assert_eq!(first.await.unwrap(), Err(OpenFailure::Opener("401".to_owned())));
        assert_eq!(within(SOON, second).await.unwrap(), Ok(ready_with("s2")));
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_lets_the_next_one_open() {
    for (a, b) in stores().await.pairs() {
        let given_up = start_stuck(a, None).await;
        given_up.abort();
        let began = Instant::now();
        assert_eq!(within(SOON, open(b, None, "s2")).await, Ok(ready_with("s2")));
        assert!(began.elapsed() < LOCK_LIFE, "the lock was let go of, it did not expire");
    }
}

#[tokio::test]
async fn exactly_the_lost_session_is_replaced() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        assert_eq!(open(a, Some("s1"), "s2").await, Ok(ready_with("s2")));
        assert_eq!(open(b, Some("s1"), "s3").await, Ok(ready_with("s2")), "another call has replaced it");
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s2"))));
    }
}

#[tokio::test]
async fn calls_that_lost_one_session_open_one_in_its_place() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        let (opened, opening) = oneshot::channel();
        let first = start(a, Some("s1"), async move { Ok(opening.await.unwrap()) }).await;
        let second = tokio::spawn({
            let b = Arc::clone(b);
            async move { open(&b, Some("s1"), "s3").await }
        });
        opened.send(session("s2")).unwrap();
        assert_eq!(first.await.unwrap(), Ok(ready_with("s2")));
        assert_eq!(within(SOON, second).await.unwrap(), Ok(ready_with("s2")));
    }
}

#[tokio::test]
async fn a_revoked_session_stays_revoked_and_names_what_to_close() {
    for (a, b) in stores().await.pairs() {
        open(a, None, "s1").await.unwrap();
        a.open(SESSION, in_an_hour(), "mcp-test/other", None, opens("s2")).await.unwrap();
        let mut to_close = b.revoke(SESSION, in_an_hour()).await.unwrap();
        to_close.sort_by(|(one, _), (other, _)| one.cmp(other));
        assert_eq!(to_close, [(GITHUB.into(), session("s1")), ("mcp-test/other".into(), session("s2"))]);
        for server in [GITHUB, "mcp-test/other", "mcp-test/new", ""] {
            assert_eq!(a.find(SESSION, server).await, Ok(Found::Revoked));
        }
        assert_eq!(open(a, None, "s3").await, Ok(Opened { session: None, stray: None }));
        assert_eq!(a.revoke(SESSION, in_an_hour()).await, Ok(vec![]));
        assert_eq!(a.find(SESSION, GITHUB).await, Ok(Found::Revoked));
        assert_eq!(a.find(SessionId([8; 16]), GITHUB).await, Ok(Found::Missing));
    }
}

#[tokio::test]
async fn a_session_opened_while_it_is_revoked_is_handed_back_to_close() {
    for (a, b) in stores().await.pairs() {
        let (opened, opening) = oneshot::channel();
        let call = start(a, None, async move { Ok(opening.await.unwrap()) }).await;
        assert_eq!(b.revoke(SESSION, in_an_hour()).await, Ok(vec![]));
        opened.send(session("s1")).unwrap();
        assert_eq!(call.await.unwrap(), Ok(Opened { session: None, stray: Some(session("s1")) }));
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Revoked));
    }
}

#[tokio::test]
async fn everything_is_forgotten_when_the_gateway_session_ends() {
    for (a, b) in stores().await.pairs() {
        let (revoked, soon) = (SessionId([8; 16]), clock::now().plus(Duration::from_secs(2)));
        a.open(SESSION, soon, GITHUB, None, opens("s1")).await.unwrap();
        b.revoke(revoked, soon).await.unwrap();
        assert_eq!(b.find(SESSION, GITHUB).await, Ok(Found::Session(session("s1"))));
        assert_eq!(a.find(revoked, GITHUB).await, Ok(Found::Revoked));
        eventually(async || b.find(SESSION, GITHUB).await == Ok(Found::Missing)).await;
        eventually(async || a.find(revoked, GITHUB).await == Ok(Found::Missing)).await;
    }
}

// In memory

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_ever_for_another_one() {
    let store = Arc::new(Store::memory(10, clock::now));
    let stuck = start_stuck(&store, None).await;
    let began = Instant::now();
    assert_eq!(open(&store, None, "s2").await, Err(OpenFailure::Store(StoreError::Busy)));
    assert_eq!(began.elapsed().as_secs(), OPEN_WAIT.as_secs());
    stuck.abort();
}

#[tokio::test]
async fn memory_is_bounded_and_forgets_the_oldest() {
    let store = Store::memory(100, clock::now);
    let numbered = |number: u16| {
        let [high, low] = number.to_be_bytes();
        SessionId(std::array::from_fn(|index| if index % 2 == 0 { high } else { low }))
    };
    let revoked = numbered(9_999);
    store.revoke(revoked, in_an_hour()).await.unwrap();
    for number in 0..1_000 {
        store.open(numbered(number), in_an_hour(), GITHUB, None, opens("s1")).await.unwrap();
    }
    let count = async || {
        let mut found = 0;
        for number in 0..1_000 {
            found += usize::from(store.find(numbered(number), GITHUB).await != Ok(Found::Missing));
        }
        found
    };
    eventually(async || count().await <= 100).await;
    assert!(count().await > 0);
    assert_eq!(
        store.find(revoked, "").await,
        Ok(Found::Revoked),
        "live sessions do not push a revocation out"
    );
}

// In Redis

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

// Fixture

fn session(id: &str) -> ServerSession {
    ServerSession::new(id.as_bytes(), Revision::V2025_06_18).unwrap()
}

fn ready_with(id: &str) -> Opened {
    Opened { session: Some(session(id)), stray: None }
}

fn in_an_hour() -> UnixTime {
    clock::now().plus(Duration::from_hours(1))
}

fn opens(id: &str) -> impl Future<Output = Result<ServerSession, String>> {
    ready(Ok(session(id)))
}

async fn open(store: &Store, lost: Option<&str>, id: &str) -> Result<Opened, OpenFailure<String>> {
    store.open(SESSION, in_an_hour(), GITHUB, lost, opens(id)).await
}

type Call = tokio::task::JoinHandle<Result<Opened, OpenFailure<String>>>;

/// A call whose opener has begun.
async fn start(
    store: &Arc<Store>,
    lost: Option<&'static str>,
    opener: impl Future<Output = Result<ServerSession, String>> + Send + 'static,
) -> Call {
    let (began, begun) = oneshot::channel();
    let store = Arc::clone(store);
    let call = tokio::spawn(async move {
        let opener = async {
            began.send(()).unwrap();
            opener.await
        };
        store.open(SESSION, in_an_hour(), GITHUB, lost, opener).await
    });
    within(SOON, begun).await.unwrap();
    call
}

/// A call whose opener has begun and does not end.
async fn start_stuck(store: &Arc<Store>, lost: Option<&'static str>) -> Call {
    start(store, lost, pending()).await
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.expect("it takes too long")
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "it has not come true within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Both kinds of store.
struct Stores {
    memory: Arc<Store>,
    redis: [Arc<Store>; 2],
    _server: RedisServer,
}

async fn stores() -> Stores {
    let server = RedisServer::start().await;
    let redis = [server.store().await, server.store().await];
    Stores { memory: Arc::new(Store::memory(1_000, clock::now)), redis, _server: server }
}

impl Stores {
    fn pairs(&self) -> [(&Arc<Store>, &Arc<Store>); 2] {
        let [a, b] = &self.redis;
        [(&self.memory, &self.memory), (a, b)]
    }
}

fn session_key() -> String {
    format!("mcp-gateway:session:{}", "07".repeat(16))
}

fn lock_key() -> String {
    format!("{}:lock:{GITHUB}", session_key())
}

/// A real Redis on a port of its own, without a file; ended with the test.
struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    async fn start() -> Self {
        let port = free_port();
        let server = Self { port, process: Self::spawn(port) };
        let store = server.store().await;
        eventually(async || store.check().await.is_ok()).await;
        server
    }

    fn spawn(port: u16) -> Child {
        let binary = std::env::var("REDIS_BIN").unwrap_or_else(|_unset| "redis-server".to_owned());
        Command::new(&binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot run {binary}: {error}: `apt-get install redis-server`, or set REDIS_BIN to one"
                )
            })
    }

    async fn store(&self) -> Arc<Store> {
        Arc::new(Store::redis(&self.url(), clock::now).await.unwrap())
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.process = Self::spawn(self.port);
    }

    fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
