//! One connection to Redis that all calls share, made again when it breaks.
//!
//! The client library's own reconnection waits on a connection on which requests only time out, and keeps an answer
//! that refused the handshake (too many clients) for good; this one starts over after any error.

use std::{fmt, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisError,
    aio::MultiplexedConnection,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::StoreError;

/// Longest time to connect to Redis, TLS and password included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest time for Redis to answer a command.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// After a failed attempt to connect, calls fail at once for this long.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Commands on their way at once; more of them wait their turn.
const COMMANDS_IN_FLIGHT: usize = 1024;

/// Not a URL of Redis. Does not repeat it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the URL of a redis: write redis://[user:password@]host[:port][/database], rediss:// for TLS, \
     or unix:///path"
)]
pub struct InvalidRedisUrl;

/// A connection that mends itself.
pub(super) struct Link {
    client: Client,
    /// Host and port, without user and password.
    address: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that an error ends only the one it came from.
    generation: u64,
    /// The last attempt failed; until then nobody tries again.
    failed: Option<(Instant, StoreError)>,
}

impl Link {
    /// Connects when it is first asked something.
    pub(super) fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        let info = url.into_connection_info().map_err(|_may_hold_the_password| InvalidRedisUrl)?;
        let address = info.addr().to_string();
        let client = Client::open(info).map_err(|_may_hold_the_password| InvalidRedisUrl)?;
        Ok(Self { client, address, state: Mutex::default() })
    }

    /// Asks and waits for the answers: [`CONNECT_TIMEOUT`] and [`RESPONSE_TIMEOUT`] at most. What meets a connection
    /// that Redis has closed is asked once more on a new one.
    pub(super) async fn query<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, StoreError> {
        let (generation, connection) = self.connection().await?;
        let error = match self.ask(generation, connection, commands).await {
            Ok(answer) => return Ok(answer),
            Err(Broken::Closed(_)) => {
                let (generation, connection) = self.connection().await?;
                self.ask(generation, connection, commands).await
            }
            Err(Broken::Failed(error)) => Err(Broken::Failed(error)),
        };
        error.map_err(|(Broken::Closed(error) | Broken::Failed(error))| error)
    }

    async fn ask<T: FromRedisValue>(
        &self,
        generation: u64,
        mut connection: MultiplexedConnection,
        commands: &Pipeline,
    ) -> Result<T, Broken> {
        let error = match timeout(RESPONSE_TIMEOUT, commands.query_async(&mut connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.is_connection_dropped() => Broken::Closed(self.unavailable(&error)),
            Ok(Err(error)) => Broken::Failed(self.unavailable(&error)),
            Err(_elapsed) => Broken::Failed(self.no_answer("no answer", RESPONSE_TIMEOUT)),
        };
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.connection = None;
        }
        Err(error)
    }

    /// The connection, made now if there is none; whoever comes meanwhile shares the outcome.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), StoreError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((state.generation, connection.clone()));
        }
        if let Some((until, error)) = &state.failed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(COMMANDS_IN_FLIGHT);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.unavailable(&error)),
            Err(_elapsed) => Err(self.no_answer("no connection", CONNECT_TIMEOUT)),
        };
        match connected {
            Ok(connection) => {
                state.generation += 1;
                state.connection = Some(connection.clone());
                state.failed = None;
                Ok((state.generation, connection))
            }
            Err(error) => {
                state.failed = Some((Instant::now() + RETRY_AFTER, error.clone()));
                Err(error)
            }
        }
    }

    fn no_answer(&self, what: &str, within: Duration) -> StoreError {
        let text = format!("{what} within {} s", within.as_secs());
        StoreError::Unavailable { address: self.address.clone(), text }
    }

    /// Says what broke or which code Redis answered, but not its words: they could repeat a command.
    fn unavailable(&self, error: &RedisError) -> StoreError {
        let refusal = error.clone().into_server_errors();
        let text = match refusal.as_deref().and_then(|refusals| refusals.first()) {
            Some((_, refusal)) => format!("it refuses: {}", refusal.code()),
            None if error.is_io_error() => error.to_string(),
            None => error.category().to_owned(),
        };
        StoreError::Unavailable { address: self.address.clone(), text }
    }
}

/// Without the client, which knows the password.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What an error means for the command.
enum Broken {
    /// The connection was gone before.
    Closed(StoreError),
    Failed(StoreError),
}
