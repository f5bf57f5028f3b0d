//! DELETE: ends a session, here and at the servers.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::{Endpoint, reply::Refused};
use crate::{
    clock::UnixTime,
    exchange::{HairpinRight, Header},
    mcp::Rejection,
    routing::Snapshot,
    sessions::{Errand, ServerSession},
};

impl Endpoint {
    pub(super) async fn delete(&self, request: Request) -> Result<Response, Refused> {
        let head = self.head(request.headers())?;
        head.check_revision()?;
        let session = self.session(&head).await?.ok_or(Rejection::MissingSession)?;
        let revoked = self.shared.store.revoke(session.id, UnixTime(session.expires)).await;
        let opened = revoked.map_err(|error| self.store_failed(&error))?;
        self.streams.end(session.id);
        let fields = Arc::new(request.into_parts().0.headers);
        for (name, session) in opened {
            self.close(&head.snapshot, name, session, Arc::clone(&fields));
        }
        let mut response = Response::new(Body::from("{}"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// Ends the session at one server without keeping the client waiting; a server that is gone keeps it.
    fn close(&self, snapshot: &Snapshot, name: Box<str>, session: ServerSession, fields: Arc<HeaderMap>) {
        let Some(server) = snapshot.server(&name).cloned() else { return };
        let Ok(permit) = Arc::clone(&self.closing).try_acquire_owned() else {
            tracing::debug!(server = %name, "too many sessions are being closed, this one is left to the server");
            return;
        };
        let hairpin = Arc::clone(&self.shared.hairpin);
        self.tasks.spawn(async move {
            let right = HairpinRight { server: name, hostname: server.hostname.as_str().into() };
            let headers: Vec<Header<'_>> = fields
                .iter()
                .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
                .collect();
            let errand = Errand { right: &right, headers: &headers, set: &[] };
            if let Err(error) = hairpin.close(errand, &session).await {
                tracing::debug!(server = %right.server, %error, "a session was not closed");
            }
            drop(permit);
        });
    }
}
