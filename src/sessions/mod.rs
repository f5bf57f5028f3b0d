//! Gateway session -> server sessions, in memory or in Redis; and the gateway's own requests that open them.
//!
//! ```text
//!  call -> Store::find -- Missing --> Store::open -- once a (session, server) --> Hairpin::open -> Envoy -> server
//! ```
//!
//! **Invariant**: losing the store costs a new `initialize`, never a wrong session. The id that a server gave is in no
//! `Debug`, `Display`, error or log line.

mod answer;
mod digest;
mod fields;
mod hairpin;
mod link;
mod lock;
mod memory;
mod opening;
mod probe;
mod redis;
mod server_session;
mod target;
mod watch;

use std::{future::Future, time::Duration};

pub use answer::{MAX_ANSWER_BYTES, MAX_INITIALIZE_BYTES};
pub use hairpin::{Errand, Hairpin, InvalidHost, OpenError};
pub use link::{CONNECT_TIMEOUT, InvalidRedisUrl, RESPONSE_TIMEOUT};
pub use lock::LOCK_LIFE;
pub use memory::Memory;
pub use opening::Opening;
pub use probe::{Answered, Question};
pub use redis::Redis;
pub use server_session::{InvalidSessionId, ServerSession};
pub use watch::{WATCH_POLL, Watch};

use crate::{clock::UnixTime, exchange::SessionId};

/// Longest wait for another call, here or in another replica, to open the server session that this one needs.
pub const OPEN_WAIT: Duration = Duration::from_secs(9);

/// Server sessions of one gateway session at most; the oldest ones are forgotten first.
pub const MAX_SERVERS: usize = 1024;

/// How long it is remembered that a request was answered.
const SETTLED_LIFE: Duration = Duration::from_hours(24);

/// Answers that are remembered: of one gateway session in Redis, of all in memory. The oldest ones are forgotten first.
const MAX_SETTLED: usize = 16_384;

/// How long it is remembered which server runs a call.
const NOTE_LIFE: Duration = Duration::from_hours(1);

/// Calls of one gateway session whose server is remembered in Redis; the oldest ones are forgotten first.
pub const CALLS_REMEMBERED: usize = 1024;

/// Stands for clients without a session, which have nothing to themselves.
const NOBODY: SessionId = SessionId([0; 16]);

/// Where gateway sessions are looked up.
#[derive(Debug)]
pub enum Store {
    Memory(Box<Memory>),
    Redis(Box<Redis>),
}

/// What the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The client has ended the gateway session.
    Revoked,
    /// There is no session at this server yet.
    Missing,
    Session(ServerSession),
}

/// What came of [`Store::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// `None`: the client has ended the gateway session meanwhile.
    pub session: Option<ServerSession>,
    /// Was opened in vain and is not in the store; it is to be closed at the server.
    pub stray: Option<ServerSession>,
}

/// The store cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the session store does not answer: redis at {address}: {text}")]
    Unavailable { address: String, text: String },
    #[error("another call is opening this server session and has not done so within {} s", OPEN_WAIT.as_secs())]
    Busy,
}

/// Why no server session was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFailure<E> {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The opener's own error. It is not shared with calls that waited: their credentials may be better.
    #[error("{0}")]
    Opener(E),
}

impl Store {
    /// Sessions of this process alone, `limit` of them at most: those not used for longest are forgotten first.
    pub fn memory(limit: u64, clock: fn() -> UnixTime) -> Self {
        Self::Memory(Box::new(Memory::new(limit, clock)))
    }

    /// Sessions that all replicas share. A Redis that does not answer now is waited for: calls fail with
    /// [`StoreError::Unavailable`] until it does.
    ///
    /// `url`: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, `unix:///path`.
    pub async fn redis(url: &str, clock: fn() -> UnixTime) -> Result<Self, InvalidRedisUrl> {
        let store = Self::Redis(Box::new(Redis::new(url, clock)?));
        if let Err(error) = store.check().await {
            tracing::warn!(%error, "sessions cannot be served until redis answers");
        }
        Ok(store)
    }

    /// Whether the store answers.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.check().await,
        }
    }

    /// Looks up the session at `server` (`namespace/name`); with an empty name, only whether the gateway session was
    /// revoked. One round trip with Redis.
    pub async fn find(&self, session: SessionId, server: &str) -> Result<Found, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.find(session, server)),
            Self::Redis(redis) => Box::pin(redis.find(session, server)).await,
        }
    }

    /// The session at `server`, which `opener` opens if there is none: once, whoever asks at the same time, in every
    /// replica. A call that finds another one at it waits, up to [`OPEN_WAIT`], and then opens one itself if the
    /// other has failed. Dropping the future lets the next one open.
    ///
    /// `expires`: when the gateway session ends. `lost`: the id that the server no longer knows; it is replaced, but
    /// a session that was stored meanwhile under another id is returned as it is.
    pub async fn open<E>(
        &self,
        session: SessionId,
        expires: UnixTime,
        server: &str,
        lost: Option<&str>,
        opener: impl Future<Output = Result<ServerSession, E>>,
    ) -> Result<Opened, OpenFailure<E>> {
        match self {
            Self::Memory(memory) => memory.open(session, expires, server, lost, opener).await,
            Self::Redis(redis) => redis.open(session, expires, server, lost, opener).await,
        }
    }

    /// Takes the right to answer the request that the client knows as `alias`: `true` for the first who asks.
    pub async fn settle(&self, session: SessionId, alias: &str) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.settle(session, alias)),
            Self::Redis(redis) => Box::pin(redis.settle(session, alias)).await,
        }
    }

    /// Remembers, for a while, that `server` runs the client's request of that JSON-RPC id. Does not wait and never
    /// fails: what is forgotten can only not be cancelled. Of clients without a session nothing is remembered.
    pub fn note(&self, session: SessionId, request: &str, server: &str) {
        match self {
            _ if session == NOBODY => {}
            Self::Memory(memory) => memory.note(session, request, server),
            Self::Redis(redis) => redis.note(session, request, server),
        }
    }

    /// The server that runs that request, as far as it is remembered; however its id is spelled.
    pub async fn running(&self, session: SessionId, request: &str) -> Result<Option<Box<str>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.running(session, request)),
            Self::Redis(redis) => redis.running(session, request).await,
        }
    }

    /// Remembers the session's log level (`logging/setLevel`).
    pub async fn set_level(
        &self,
        session: SessionId,
        expires: UnixTime,
        level: &str,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.set_level(session, expires, level);
                Ok(())
            }
            Self::Redis(redis) => redis.set_level(session, expires, level).await,
        }
    }

    /// The session's log level; `None`: it has set none.
    pub async fn level(&self, session: SessionId) -> Result<Option<Box<str>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.level(session)),
            Self::Redis(redis) => redis.level(session).await,
        }
    }

    /// The session's sessions at servers, by `namespace/name` and in that order. None once it has ended.
    pub async fn servers(&self, session: SessionId) -> Result<Vec<(Box<str>, ServerSession)>, StoreError> {
        let mut servers = match self {
            Self::Memory(memory) => memory.servers(session),
            Self::Redis(redis) => redis.servers(session).await?,
        };
        servers.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(servers)
    }

    /// Tells of server sessions that open, are replaced or end from now on: of those in this process at once, of those
    /// in other replicas within [`WATCH_POLL`].
    pub fn watch(&self, session: SessionId) -> Watch {
        match self {
            Self::Memory(memory) => memory.watch(session),
            Self::Redis(redis) => redis.watch(session),
        }
    }

    /// Ends a gateway session: until it would have expired, it is found as [`Found::Revoked`]. Returns the sessions
    /// to close at the servers, by `namespace/name`.
    pub async fn revoke(
        &self,
        session: SessionId,
        expires: UnixTime,
    ) -> Result<Vec<(Box<str>, ServerSession)>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.revoke(session, expires)),
            Self::Redis(redis) => redis.revoke(session, expires).await,
        }
    }
}
