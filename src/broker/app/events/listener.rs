//! The client that a stream is for, and what is asked of servers in its name.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::Response;

use crate::{
    broker::Shared,
    exchange::{HairpinRight, Header, Origin, Session},
    routing::Server,
    sessions::{Errand, OpenError, ServerSession},
};

/// Who listens, and what for.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) shared: Shared,
    pub(super) session: Session,
    /// Virtual servers that limit what it sees.
    pub(super) virtual_servers: Arc<[Box<str>]>,
    /// Header fields of its GET: servers, and policies before them, know it by them.
    pub(super) fields: Arc<HeaderMap>,
}

impl Listener {
    /// Who speaks to it where `server` does; `None`: it does not see that server now.
    pub(super) fn origin(&self, server: &str) -> Option<Origin> {
        let snapshot = self.shared.routes.load()?;
        let names: Vec<&str> = self.virtual_servers.iter().map(|name| &**name).collect();
        let seen = snapshot.scope(&names).ok()?.servers();
        let found = seen.into_iter().find(|seen| seen.name.as_str() == server).cloned()?;
        let (session, client) = (self.session.id, self.session.capabilities);
        // what an answer on a stream that goes on was asked for is not known
        let (rewrites_uris, rewrites_tasks) = (true, true);
        Some(Origin { snapshot, server: found, session, client, rewrites_uris, rewrites_tasks })
    }

    /// Opens the event stream of a server session.
    pub(super) async fn open(
        &self,
        server: &Server,
        session: &ServerSession,
        last_event_id: Option<&str>,
    ) -> Result<Response, OpenError> {
        let (right, headers) = (right(server), self.headers());
        let errand = Errand { right: &right, headers: &headers, set: &[] };
        self.shared.hairpin.stream(errand, session, last_event_id).await
    }

    /// Sends a server what it gets in the client's stead; one that does not take it goes without.
    pub(super) async fn reply(&self, server: &Server, session: &ServerSession, message: impl Into<Bytes>) {
        let (right, headers) = (right(server), self.headers());
        let errand = Errand { right: &right, headers: &headers, set: &[] };
        if let Err(error) = self.shared.hairpin.send(errand, session, message).await {
            tracing::debug!(server = %server.name, %error, "a refused request was not answered");
        }
    }

    fn headers(&self) -> Vec<Header<'_>> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
    }
}

fn right(server: &Server) -> HairpinRight {
    HairpinRight { server: server.name.as_str().into(), hostname: server.hostname.as_str().into() }
}
