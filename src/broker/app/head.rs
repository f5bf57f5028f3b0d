//! What the head of a request says, and how much of it is believed.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::Endpoint;
use crate::{
    exchange::{Session, SessionFault, Tokens},
    mcp::{Rejection, Revision, header},
    routing::{Scope, Snapshot},
    sessions::{Found, StoreError},
};

/// A request that came through the router.
#[derive(Debug)]
pub(super) struct Head {
    /// The state that answers it.
    pub(super) snapshot: Arc<Snapshot>,
    session: Option<Result<Session, SessionFault>>,
    unsupported_revision: Option<String>,
    /// Named by the router or by a filter behind it.
    pub(super) virtual_servers: Vec<Box<str>>,
}

impl Endpoint {
    /// Reads the head. Who does not come through the router is refused: it has checked the Host and the Origin, and
    /// has removed what a client must not say.
    pub(super) fn head(&self, fields: &HeaderMap) -> Result<Head, Rejection> {
        let routed =
            single(fields, header::X_MCP_ROUTED)?.and_then(|token| self.shared.sealer.open_routed(token));
        let mut virtual_servers = routed.ok_or(Rejection::NotRouted)?.virtual_servers;
        if let Some(name) = single(fields, header::X_MCP_VIRTUALSERVER)? {
            virtual_servers.push(String::from_utf8_lossy(name).into());
        }
        let asked = single(fields, header::PROTOCOL_VERSION)?.map(String::from_utf8_lossy);
        let session = single(fields, header::SESSION_ID)?;
        Ok(Head {
            snapshot: self.shared.routes.load().ok_or(Rejection::NotReady)?,
            session: session.map(|token| self.shared.sealer.open_session(token)),
            unsupported_revision: asked.filter(|asked| Revision::parse(asked).is_none()).map(Into::into),
            virtual_servers,
        })
    }

    /// The nonce of a probe of the gateway's own, whether or not it has passed the router.
    pub(super) fn probe(&self, fields: &HeaderMap) -> Option<Box<str>> {
        self.shared.sealer.open_probe(fields.get(header::X_MCP_PROBE)?.as_bytes())
    }

    /// What to say when the session store does not answer.
    pub(super) fn store_failed(&self, error: &StoreError) -> Rejection {
        self.shared.metrics.store_error();
        tracing::warn!(%error, "no answer about a session");
        Rejection::StoreUnavailable
    }

    /// The request's session, if it names one; refused unless it lives.
    pub(super) async fn session<'h>(&self, head: &'h Head) -> Result<Option<&'h Session>, Rejection> {
        match &head.session {
            None => Ok(None),
            Some(Err(SessionFault::Unknown)) => Err(Rejection::UnknownSession),
            Some(Err(SessionFault::Expired)) => Err(Rejection::ExpiredSession),
            Some(Ok(session)) => match self.shared.store.find(session.id, "").await {
                Err(error) => Err(self.store_failed(&error)),
                Ok(Found::Revoked) => Err(Rejection::UnknownSession),
                Ok(Found::Missing | Found::Session(_)) => Ok(Some(session)),
            },
        }
    }
}

impl Head {
    /// Refuses a revision that the gateway does not speak. To a client that asks for 2026-07-28 this says to begin
    /// with `initialize`.
    pub(super) fn check_revision(&self) -> Result<(), Rejection> {
        match &self.unsupported_revision {
            Some(asked) => Err(Rejection::UnsupportedRevision { asked: asked.clone() }),
            None => Ok(()),
        }
    }

    /// Names of the virtual servers that limit the request: by path, by a filter, by its session.
    pub(super) fn limited_to(&self, session: Option<&Session>) -> Vec<Box<str>> {
        let by_session = session.and_then(|session| session.virtual_server.clone());
        let mut names: Vec<Box<str>> = self.virtual_servers.iter().cloned().chain(by_session).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the request may see.
    pub(super) fn scope(&self, session: Option<&Session>) -> Result<Scope<'_>, Rejection> {
        let names = self.limited_to(session);
        self.snapshot.scope(&names.iter().map(|name| &**name).collect::<Vec<_>>())
    }
}

/// The value of `name`, which two readers could read differently if it stood twice.
pub(super) fn single<'h>(fields: &'h HeaderMap, name: &'static str) -> Result<Option<&'h [u8]>, Rejection> {
    let mut values = fields.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = values.next();
    if values.next().is_some() {
        return Err(Rejection::RepeatedHeader { name });
    }
    Ok(first)
}
