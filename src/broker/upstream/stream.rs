//! The event stream of a server, on which it announces that its lists have changed.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::{Response, header::HeaderValue};

use super::{
    Connection, Upstream, UpstreamError,
    answer::{Heard, hear},
    client::{self, Kind},
};
use crate::{
    broker::limits::{MAX_EVENT_BYTES, Pace},
    mcp::{header, sse},
};

/// Shortest wait that a server can ask for with `retry:`.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

/// Where the stream stands between two connections.
#[derive(Debug, Default)]
struct Place {
    last_event_id: Option<HeaderValue>,
    retry: Option<Duration>,
    /// Connections in a row on which nothing was heard.
    failures: u32,
}

impl Upstream {
    /// Follows the server's event stream for as long as it offers one; then waits for ever.
    ///
    /// [`Upstream::changed`] is told of each change, and each time the stream begins: what changed before was not heard.
    pub(in crate::broker) async fn follow(
        &self,
        connection: &Connection,
        pace: &Pace,
    ) -> std::convert::Infallible {
        let mut place = Place::default();
        loop {
            let began = tokio::time::Instant::now();
            let ended = match Box::pin(self.open(connection, &place)).await {
                Ok(Some(response)) => {
                    self.changed.notify_one();
                    self.read(connection, response, &mut place).await
                }
                Ok(None) => {
                    self.refuses_stream.store(true, Ordering::Relaxed);
                    self.learned.notify_one();
                    std::future::pending().await
                }
                Err(UpstreamError::SessionLost) => {
                    self.refuses_stream.store(true, Ordering::Relaxed);
                    self.changed.notify_one(); // whether it is shows when the list is asked for
                    std::future::pending().await
                }
                Err(error) => Err(error),
            };
            if began.elapsed() > pace.longest_backoff {
                place.failures = 0; // a quiet stream that something between has cut
            }
            place.failures = place.failures.saturating_add(1);
            if let Err(error) = ended {
                tracing::debug!(server = %self.spec.name, %error, "the event stream ended");
                if place.failures == 1 {
                    self.changed.notify_one(); // the server may be gone, which shows when the list is asked for
                }
            }
            let wait = place.retry.unwrap_or_else(|| pace.backoff(place.failures));
            tokio::time::sleep(wait.clamp(SHORTEST_RETRY.min(pace.longest_backoff), pace.longest_backoff))
                .await;
        }
    }

    /// Opens the stream; `None`: the server does not offer one, [`UpstreamError::SessionLost`]: that, or it does not
    /// know the session. Servers may hold the response back until there is
    /// an event, so that nothing is to be concluded from how long it takes.
    async fn open(&self, connection: &Connection, place: &Place) -> Result<Option<Response>, UpstreamError> {
        let mut fields =
            client::fields(self.spec.credential.as_ref(), Some(&connection.session), Kind::Stream)?;
        if let Some(id) = &place.last_event_id {
            fields.insert(header::LAST_EVENT_ID, id.clone());
        }
        let request = self.http.get(self.spec.url.clone()).headers(fields);
        let response = request.send().await.map_err(UpstreamError::transport)?;
        let content_type =
            response.headers().get("content-type").map_or(b"".as_slice(), HeaderValue::as_bytes);
        match response.status().as_u16() {
            200 if header::media_type_is(content_type, "text/event-stream") => Ok(Some(response)),
            status @ 500.. => Err(UpstreamError::Status { what: "GET", status, code: None }),
            400 | 404 if connection.session.id().is_some() => Err(UpstreamError::SessionLost),
            _ => Ok(None),
        }
    }

    /// Reads the stream to its end.
    async fn read(
        &self,
        connection: &Connection,
        mut response: Response,
        place: &mut Place,
    ) -> Result<(), UpstreamError> {
        let mut parser = sse::Parser::with_limit(MAX_EVENT_BYTES);
        while let Some(chunk) = response.chunk().await.map_err(UpstreamError::transport)? {
            let mut rest = &chunk[..];
            while let Some(event) = parser
                .next(&mut rest)
                .map_err(|_too_long| UpstreamError::TooLarge { what: "GET", limit: MAX_EVENT_BYTES })?
            {
                place.failures = 0;
                self.note_id(event.id.as_deref());
                if let Some(id) = event.id {
                    place.last_event_id = HeaderValue::try_from(id).ok().filter(|id| !id.is_empty());
                }
                place.retry = event.retry.map(Duration::from_millis).or(place.retry);
                if let Ok(heard @ (Heard::Ping(_) | Heard::Unserved(_) | Heard::ListChanged)) =
                    hear(&event.data, None)
                {
                    Box::pin(self.react(connection, heard)).await?;
                }
            }
        }
        Ok(())
    }
}
