//! Stores, a real Redis, and calls that open sessions.

use std::{
    future::{pending, ready},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use mcp_gateway::{
    clock::{self, UnixTime},
    exchange::SessionId,
    mcp::Revision,
    sessions::{OpenFailure, Opened, ServerSession, Store},
};
use tokio::{sync::oneshot, time::Instant};

pub const GITHUB: &str = "mcp-test/github";
pub const SESSION: SessionId = SessionId([7; 16]);

/// Longest wait for what must happen soon, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

pub fn session(id: &str) -> ServerSession {
    ServerSession::new(id.as_bytes(), Revision::V2025_06_18).unwrap()
}

pub fn ready_with(id: &str) -> Opened {
    Opened { session: Some(session(id)), stray: None }
}

pub fn in_an_hour() -> UnixTime {
    clock::now().plus(Duration::from_hours(1))
}

pub fn opens(id: &str) -> impl Future<Output = Result<ServerSession, String>> {
    ready(Ok(session(id)))
}

pub async fn open(store: &Store, lost: Option<&str>, id: &str) -> Result<Opened, OpenFailure<String>> {
    store.open(SESSION, in_an_hour(), GITHUB, lost, opens(id)).await
}

pub type Call = tokio::task::JoinHandle<Result<Opened, OpenFailure<String>>>;

/// A call whose opener has begun.
pub async fn start(
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
pub async fn start_stuck(store: &Arc<Store>, lost: Option<&'static str>) -> Call {
    start(store, lost, pending()).await
}

pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future).await.expect("it takes too long")
}

pub async fn eventually(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "it has not come true within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Both kinds of store.
pub struct Stores {
    pub memory: Arc<Store>,
    pub redis: [Arc<Store>; 2],
    _server: RedisServer,
}

pub async fn stores() -> Stores {
    let server = RedisServer::start().await;
    let redis = [server.store().await, server.store().await];
    Stores { memory: Arc::new(Store::memory(1_000, clock::now)), redis, _server: server }
}

impl Stores {
    pub fn pairs(&self) -> [(&Arc<Store>, &Arc<Store>); 2] {
        let [a, b] = &self.redis;
        [(&self.memory, &self.memory), (a, b)]
    }
}

pub fn session_key() -> String {
    format!("mcp-gateway:session:{}", "07".repeat(16))
}

pub fn lock_key() -> String {
    format!("{}:lock:{GITHUB}", session_key())
}

/// A real Redis on a port of its own, without a file; ended with the test.
pub struct RedisServer {
    pub port: u16,
    process: Child,
}

impl RedisServer {
    pub async fn start() -> Self {
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

    pub async fn store(&self) -> Arc<Store> {
        Arc::new(Store::redis(&self.url(), clock::now).await.unwrap())
    }

    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.process = Self::spawn(self.port);
    }

    pub fn signal(&self, signal: &str) {
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

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
