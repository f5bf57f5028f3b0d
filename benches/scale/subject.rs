//! The gateway that is measured: `mcp-gateway serve` as it is released, and Envoy before it where a part needs one.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use mcp_gateway::{
    clock,
    credentials::{KeyRing, Sealer},
    exchange::{Session, SessionId, Tokens as _},
    mcp::{ClientCapabilities, Revision},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    common::{Envoy, Gateway, free_port},
    peers::Peers,
    process::{self, Memory},
};

/// What seals sessions, here and in the gateway.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

/// Longest wait for all servers to be discovered.
const DISCOVERY: Duration = Duration::from_mins(2);

/// From the last discovery to when nothing is left to do.
const IDLE: Duration = Duration::from_secs(2);

/// A running gateway, all its servers discovered.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) gateway: Gateway,
    pub(crate) sealer: Sealer,
    /// Where Envoy listens, if it is there.
    pub(crate) listen: String,
    _folder: TempDir,
}

impl Subject {
    pub(crate) async fn start(peers: &Peers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, KEY).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let key = key.display().to_string();
        let arguments = ["--session-key-file", &key, "--private-host", &listen];
        let gateway = Gateway::start(&peers.config(), &arguments).await;
        let sealer = Sealer::new(KeyRing::parse(KEY).unwrap(), clock::now);
        let subject = Self { gateway, sealer, listen, _folder: folder };
        subject.discovered(peers.servers).await;
        subject
    }

    /// Told by the log: a look at `/status` would itself need memory.
    async fn discovered(&self, servers: usize) {
        let deadline = Instant::now() + DISCOVERY;
        let found = || self.gateway.process.log().lines().filter(|line| line.contains("Discovered ")).count();
        while found() < servers {
            assert!(Instant::now() < deadline, "{} of {servers} servers were discovered", found());
            sleep(Duration::from_millis(100)).await;
        }
        sleep(IDLE).await;
    }

    /// Envoy with the bootstrap that the gateway prints.
    pub(crate) async fn envoy(&self) -> Envoy {
        Envoy::start(&self.gateway.bootstrap(&self.listen, &[])).await
    }

    pub(crate) fn memory(&self) -> Memory {
        process::memory(&self.gateway.process.pid().to_string())
    }

    pub(crate) fn cpu(&self) -> Duration {
        process::cpu(self.gateway.process.pid())
    }

    /// A new session's id, as `initialize` gives it to a client.
    pub(crate) fn session(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        self.sealer.seal_session(&Session {
            id: SessionId(fastrand::u128(..).to_be_bytes()),
            issued: now,
            expires: now + 24 * 60 * 60,
            capabilities: ClientCapabilities(0),
            revision: Revision::LATEST,
            virtual_server: None,
        })
    }

    /// What the router tells the broker of a request, good for a minute.
    pub(crate) fn routed(&self) -> String {
        self.sealer.seal_routed(&[])
    }
}
