//! DELETE: ends a session, here and at the servers.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, header::CONTENT_TYPE};

use super::{Endpoint, reply::Refused};
use crate::{clock::UnixTime, mcp::Rejection};

impl Endpoint {
    pub(super) async fn delete(&self, request: Request) -> Result<Response, Refused> {
        let head = self.head(request.headers())?;
        head.check_revision()?;
        let session = self.session(&head).await?.ok_or(Rejection::MissingSession)?;
        let revoked = self.shared.store.revoke(session.id, UnixTime(session.expires)).await;
        let opened = revoked.map_err(|error| self.store_failed(&error))?;
        self.seats.end(session.id);
        let fields = Arc::new(request.into_parts().0.headers);
        for (name, session) in opened {
            let Some(server) = head.snapshot.server(&name) else { continue };
            let at = self.at(server, session, &fields);
            self.in_background(&self.closing, async move { at.close().await });
        }
        let mut response = Response::new(Body::from("{}"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}
