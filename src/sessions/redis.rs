//! Sessions that all replicas of a gateway share, in Redis.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::{
    Found, InvalidRedisUrl, MAX_SERVERS, OPEN_WAIT, OpenFailure, Opened, ServerSession, StoreError,
    fields::{REVOKED, lock_key, server_field, server_of, session_key},
    link::Link,
    lock::Lock,
};
use crate::{clock::UnixTime, exchange::SessionId};

/// Least and most milliseconds between two looks at a session that another call opens.
const POLL: std::ops::Range<u64> = 20..80;

/// Stores a session unless another one was stored since `ARGV[2]` was read. Answers with what stands now; nothing if
/// the gateway session was revoked.
const STORE: &str = "
if redis.call('HEXISTS', KEYS[1], 'revoked') == 1 then return false end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and held ~= ARGV[2] then return held end
if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return ARGV[3]";

/// A hash a gateway session, which ends with it.
#[derive(Debug)]
pub struct Redis {
    link: Arc<Link>,
    clock: fn() -> UnixTime,
    releases: TaskTracker,
}

/// The field `revoked` and the one of a server, as they stand.
type Fields = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Redis {
    pub(super) fn new(url: &str, clock: fn() -> UnixTime) -> Result<Self, InvalidRedisUrl> {
        Ok(Self { link: Arc::new(Link::new(url)?), clock, releases: TaskTracker::new() })
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let mut ping = redis::pipe();
        ping.cmd("PING").ignore();
        self.link.query(&ping).await
    }

    pub(super) async fn find(&self, session: SessionId, server: &str) -> Result<Found, StoreError> {
        let mut look = redis::pipe();
        look.hmget(session_key(session), &[REVOKED, &server_field(server)]);
        let ((revoked, stored),): (Fields,) = self.link.query(&look).await?;
        if revoked.is_some() {
            return Ok(Found::Revoked);
        }
        Ok(stored.and_then(|stored| ServerSession::decode(&stored)).map_or(Found::Missing, Found::Session))
    }

    pub(super) async fn open<E>(
        &self,
        session: SessionId,
        expires: UnixTime,
        server: &str,
        lost: Option<&str>,
        opener: impl Future<Output = Result<ServerSession, E>>,
    ) -> Result<Opened, OpenFailure<E>> {
        let deadline = Instant::now() + OPEN_WAIT;
        let mut lock = Lock::new(&self.link, lock_key(session, server), &self.releases);
        let (key, field) = (session_key(session), server_field(server));
        let seen = loop {
            let mut look = redis::pipe();
            lock.attempt(&mut look);
            look.hmget(&key, &[REVOKED, &field]);
            // read after the attempt: who gets the lock sees what its last holder stored
            let (acquired, (revoked, stored)): (Option<String>, Fields) = self.link.query(&look).await?;
            lock.answered(acquired.is_some());
            if revoked.is_some() {
                return Ok(Opened { session: None, stray: None });
            }
            let found = stored.as_deref().and_then(ServerSession::decode);
            if let Some(found) = found.filter(|found| found.outlives(lost)) {
                return Ok(Opened { session: Some(found), stray: None });
            }
            if acquired.is_some() {
                break stored;
            }
            if Instant::now() >= deadline {
                return Err(StoreError::Busy.into());
            }
            sleep(Duration::from_millis(fastrand::u64(POLL))).await;
        };
        let opened = tokio::select! {
            opened = opener => opened.map_err(OpenFailure::Opener)?,
            never = lock.keep() => match never {},
        };
        Ok(self.store(&key, &field, expires, seen, opened).await?)
    }

    async fn store(
        &self,
        key: &str,
        field: &str,
        expires: UnixTime,
        seen: Option<Vec<u8>>,
        opened: ServerSession,
    ) -> Result<Opened, StoreError> {
        let mut store = redis::pipe();
        store.cmd("EVAL").arg(STORE).arg(1).arg(key).arg(field).arg(seen.unwrap_or_default());
        store.arg(opened.encode()).arg(self.seconds_until(expires)).arg(MAX_SERVERS);
        let (stands,): (Option<Vec<u8>>,) = self.link.query(&store).await?;
        let Some(stands) = stands else { return Ok(Opened { session: None, stray: Some(opened) }) };
        Ok(match ServerSession::decode(&stands) {
            Some(other) if other != opened => Opened { session: Some(other), stray: Some(opened) },
            Some(_) | None => Opened { session: Some(opened), stray: None },
        })
    }

    pub(super) async fn revoke(
        &self,
        session: SessionId,
        expires: UnixTime,
    ) -> Result<Vec<(Box<str>, ServerSession)>, StoreError> {
        let key = session_key(session);
        let mut revoke = redis::pipe();
        revoke.atomic().hgetall(&key).del(&key).ignore();
        revoke.hset(&key, REVOKED, 1).ignore().expire(&key, self.seconds_until(expires)).ignore();
        let (held,): (HashMap<String, Vec<u8>>,) = self.link.query(&revoke).await?;
        let held = held
            .iter()
            .filter_map(|(field, stored)| Some((server_of(field)?.into(), ServerSession::decode(stored)?)));
        Ok(held.collect())
    }

    /// At least one: zero would delete at once what was just written.
    fn seconds_until(&self, expires: UnixTime) -> i64 {
        i64::try_from((self.clock)().until(expires).as_secs()).unwrap_or(i64::MAX / 1_000_000).max(1)
    }
}
