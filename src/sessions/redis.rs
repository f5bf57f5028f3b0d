//! Sessions that all replicas of a gateway share, in Redis.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::{
    CALLS_REMEMBERED, Found, InvalidRedisUrl, MAX_SERVERS, MAX_SETTLED, NOTE_LIFE, OPEN_WAIT, OpenFailure,
    Opened, SETTLED_LIFE, ServerSession, StoreError, digest,
    fields::{
        REVOKED, level_key, lock_key, order_key, running_key, server_field, server_of, session_key,
        settled_key,
    },
    link::Link,
    lock::Lock,
    watch::{Watch, Watched},
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

/// Notes which server runs a request; the request noted first is forgotten where there are more than `ARGV[3]`.
const NOTE: &str = "
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[1])
  if redis.call('LLEN', KEYS[2]) > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], redis.call('LPOP', KEYS[2])) end
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return redis.call('EXPIRE', KEYS[2], ARGV[4])";

/// Notes on their way at once; of more requests it is not remembered who runs them.
const NOTES_IN_FLIGHT: usize = 256;

/// A hash a gateway session and a few keys beside it, which end with it.
#[derive(Debug)]
pub struct Redis {
    link: Arc<Link>,
    clock: fn() -> UnixTime,
    /// What nobody waits for.
    background: TaskTracker,
    notes: Arc<Semaphore>,
    watched: Arc<Watched>,
}

/// The field `revoked` and the one of a server, as they stand.
type Fields = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Redis {
    pub(super) fn new(url: &str, clock: fn() -> UnixTime) -> Result<Self, InvalidRedisUrl> {
        let (link, notes) = (Arc::new(Link::new(url)?), Arc::new(Semaphore::new(NOTES_IN_FLIGHT)));
        Ok(Self { link, clock, background: TaskTracker::new(), notes, watched: Arc::default() })
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
        let mut lock = Lock::new(&self.link, lock_key(session, server), &self.background);
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
        let stored = self.store(&key, &field, expires, seen, opened).await;
        self.watched.changed(session);
        Ok(stored?)
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
        let beside = [settled_key(session), running_key(session), order_key(session), level_key(session)];
        revoke.del(&beside[..]).ignore();
        let (held,): (HashMap<String, Vec<u8>>,) = self.link.query(&revoke).await?;
        self.watched.changed(session);
        Ok(sessions(&held))
    }

    pub(super) async fn settle(&self, session: SessionId, alias: &str) -> Result<bool, StoreError> {
        let (key, alias) = (settled_key(session), digest::of(alias));
        let beyond = format!("-{}", MAX_SETTLED + 1);
        let mut settle = redis::pipe();
        settle.atomic().cmd("ZADD").arg(&key).arg("NX").arg((self.clock)().0).arg(&alias[..]);
        settle.cmd("ZREMRANGEBYRANK").arg(&key).arg(0).arg(beyond).ignore();
        settle.cmd("EXPIRE").arg(&key).arg(SETTLED_LIFE.as_secs()).ignore();
        let (added,): (u8,) = self.link.query(&settle).await?;
        Ok(added == 1)
    }

    pub(super) fn note(&self, session: SessionId, request: &str, server: &str) {
        let Ok(permit) = Arc::clone(&self.notes).try_acquire_owned() else {
            tracing::debug!(server, "too many requests at once, the server of one is not remembered");
            return;
        };
        let mut note = redis::pipe();
        note.cmd("EVAL").arg(NOTE).arg(2).arg(running_key(session)).arg(order_key(session));
        note.arg(&digest::of_id(request)[..]).arg(server).arg(CALLS_REMEMBERED).arg(NOTE_LIFE.as_secs());
        let link = Arc::clone(&self.link);
        self.background.spawn(async move {
            if let Err(error) = link.query::<(u8,)>(&note).await {
                tracing::debug!(%error, "the server of a request is not remembered");
            }
            drop(permit);
        });
    }

    pub(super) async fn running(
        &self,
        session: SessionId,
        request: &str,
    ) -> Result<Option<Box<str>>, StoreError> {
        let mut look = redis::pipe();
        look.hget(running_key(session), &digest::of_id(request)[..]);
        let (server,): (Option<String>,) = self.link.query(&look).await?;
        Ok(server.map(Into::into))
    }

    pub(super) async fn set_level(
        &self,
        session: SessionId,
        expires: UnixTime,
        level: &str,
    ) -> Result<(), StoreError> {
        let mut set = redis::pipe();
        set.cmd("SET").arg(level_key(session)).arg(level).arg("EX").arg(self.seconds_until(expires)).ignore();
        self.link.query(&set).await
    }

    pub(super) async fn level(&self, session: SessionId) -> Result<Option<Box<str>>, StoreError> {
        let mut look = redis::pipe();
        look.cmd("GET").arg(level_key(session));
        let (level,): (Option<String>,) = self.link.query(&look).await?;
        Ok(level.map(Into::into))
    }

    pub(super) async fn servers(
        &self,
        session: SessionId,
    ) -> Result<Vec<(Box<str>, ServerSession)>, StoreError> {
        let mut look = redis::pipe();
        look.hgetall(session_key(session));
        let (held,): (HashMap<String, Vec<u8>>,) = self.link.query(&look).await?;
        Ok(sessions(&held))
    }

    pub(super) fn watch(&self, session: SessionId) -> Watch {
        Watch::new(&self.watched, session, Some(&self.link))
    }

    /// At least one: zero would delete at once what was just written.
    fn seconds_until(&self, expires: UnixTime) -> i64 {
        i64::try_from((self.clock)().until(expires).as_secs()).unwrap_or(i64::MAX / 1_000_000).max(1)
    }
}

/// The server sessions in the hash of a gateway session.
fn sessions(held: &HashMap<String, Vec<u8>>) -> Vec<(Box<str>, ServerSession)> {
    let known = |(field, stored): (&String, &Vec<u8>)| {
        Some((server_of(field)?.into(), ServerSession::decode(stored)?))
    };
    held.iter().filter_map(known).collect()
}

/// Differs, but for chance, when the server sessions of `session` do; means something in this process only.
pub(super) async fn fingerprint(link: &Link, session: SessionId) -> Result<u64, StoreError> {
    let mut look = redis::pipe();
    look.hgetall(session_key(session));
    let (held,): (BTreeMap<String, Vec<u8>>,) = link.query(&look).await?;
    let mut hasher = DefaultHasher::new();
    held.hash(&mut hasher);
    Ok(hasher.finish())
}
