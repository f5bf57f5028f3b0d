//! Gateway session -> server sessions, in memory or in Redis; and the gateway's own requests that open them.
//!
//! ```text
//!  call -> Store::find -- Missing --> Store::open -- once a (session, server) --> Hairpin::open -> Envoy -> server
//! ```
//!
//! **Invariant**: losing the store costs a new `initialize`, never a wrong session. The id that a server gave is in no
//! `Debug`, `Display`, error or log line.

mod answer;
mod fields;
mod hairpin;
mod link;
mod lock;
mod memory;
mod probe;
mod redis;
mod server_session;
mod target;

use std::{future::Future, time::Duration};

pub use answer::MAX_INITIALIZE_BYTES;
pub use hairpin::{Errand, Hairpin, InvalidHost, OpenError};
pub use link::{CONNECT_TIMEOUT, InvalidRedisUrl, RESPONSE_TIMEOUT};
pub use lock::LOCK_LIFE;
pub use memory::Memory;
pub use probe::{Answered, Question};
pub use redis::Redis;
pub use server_session::{InvalidSessionId, ServerSession};

use crate::{clock::UnixTime, exchange::SessionId};

/// Longest wait for another call, here or in another replica, to open the server session that this one needs.
pub const OPEN_WAIT: Duration = Duration::from_secs(9);

/// Server sessions of one gateway session at most; the oldest ones are forgotten first.
pub const MAX_SERVERS: usize = 1024;

/// Where gateway sessions are looked up.
#[derive(Debug)]
pub enum Store {
    Memory(Memory),
    Redis(Redis),
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
        Self::Memory(Memory::new(limit, clock))
    }

    /// Sessions that all replicas share. A Redis that does not answer now is waited for: calls fail with
    /// [`StoreError::Unavailable`] until it does.
    ///
    /// `url`: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS, `unix:///path`.
    pub async fn redis(url: &str, clock: fn() -> UnixTime) -> Result<Self, InvalidRedisUrl> {
        let store = Self::Redis(Redis::new(url, clock)?);
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
            Self::Memory(memory) => Ok(memory.find(session, server).await),
            Self::Redis(redis) => redis.find(session, server).await,
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

    /// Ends a gateway session: until it would have expired, it is found as [`Found::Revoked`]. Returns the sessions
    /// to close at the servers, by `namespace/name`.
    pub async fn revoke(
        &self,
        session: SessionId,
        expires: UnixTime,
    ) -> Result<Vec<(Box<str>, ServerSession)>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.revoke(session, expires).await),
            Self::Redis(redis) => redis.revoke(session, expires).await,
        }
    }
}
