//! GET: the event streams on which a client hears what its calls do not answer.
//!
//! ```text
//!  Listings ---------------------------> Merged --> the client       one for each session, the newest
//!  server sessions --> Followers --feed----^
//!                        \--> Follower, one a server session --GET through Envoy--> the server
//!
//!  Last-Event-ID of a POST's stream --> Relay --GET through Envoy--> the server that has begun it
//! ```
//!
//! **Invariant**: nothing is kept for a client that is not there; what waits for one that reads slowly is bounded, and
//! then its servers wait too.

mod bookmark;
mod follower;
mod followers;
mod listener;
mod merged;
mod relay;
mod seats;

use std::sync::Arc;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, header::ACCEPT};

pub(super) use self::seats::Seats;
use self::{bookmark::Bookmark, listener::Listener};
use super::{
    Endpoint,
    head::{Head, single},
    reply::Refused,
};
use crate::{
    exchange::{Alias, AliasKind, Session, Tokens},
    mcp::{Rejection, header},
};

/// Where a client comes back to.
enum Return {
    /// The merged stream of this session, as far as it had come.
    Merged(Bookmark),
    /// A stream that a server has begun as its answer to a POST.
    Posted(Alias),
}

impl Endpoint {
    /// Opens a stream of a session. An id that means nothing in this session counts as none.
    pub(super) async fn events(&self, request: Request) -> Result<Response, Refused> {
        let fields = request.into_parts().0.headers;
        let head = self.head(&fields)?;
        let accept =
            fields.get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        if !header::accepts(&accept, "text/event-stream") {
            return Err(Rejection::NotAcceptable { needed: "text/event-stream" }.into());
        }
        head.check_revision()?;
        let session = self.session(&head).await?.ok_or(Rejection::MissingSession)?.clone();
        head.scope(Some(&session))?;
        let last_event_id = single(&fields, header::LAST_EVENT_ID)?;
        let back = last_event_id.and_then(|id| self.back(&session, id));
        let listener = self.listener(&head, session, fields.clone());
        match back {
            Some(Return::Posted(alias)) => self.relay(listener, alias).await.map_err(Refused::from),
            Some(Return::Merged(before)) => Ok(self.merged(listener, Some(before))?),
            None => Ok(self.merged(listener, None)?),
        }
    }

    fn listener(&self, head: &Head, session: Session, fields: HeaderMap) -> Listener {
        let virtual_servers = head.limited_to(Some(&session)).into();
        Listener { shared: self.shared.clone(), session, virtual_servers, fields: Arc::new(fields) }
    }

    /// What an event id of ours says, if it is of this session.
    fn back(&self, session: &Session, id: &[u8]) -> Option<Return> {
        let id = std::str::from_utf8(id).ok()?;
        if let Some(alias) = self.shared.sealer.open_alias(AliasKind::Event, id) {
            return (alias.session == session.id).then_some(Return::Posted(alias));
        }
        Bookmark::open(&self.shared.sealer, session.id, id).map(Return::Merged)
    }
}
