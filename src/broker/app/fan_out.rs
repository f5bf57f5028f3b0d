//! What concerns every server of a session: its log level, its roots, its tasks.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use tokio::time::timeout;

use super::{
    Endpoint,
    errand::AtServer,
    head::Head,
    reply::{Form, accepted},
};
use crate::{
    broker::limits::{FAN_OUT, FAN_OUT_DEADLINE},
    clock::UnixTime,
    exchange::Session,
    mcp::{ClientCapabilities, Message, Method, Rejection, ServerCapabilities},
};

/// The levels of RFC 5424 (2025-11-25, server, utilities, logging).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A request of a client that goes to the servers of its session.
#[derive(Debug)]
pub(super) struct FanOut<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) head: &'a Head,
    pub(super) session: &'a Session,
    fields: &'a HeaderMap,
}

impl<'a> FanOut<'a> {
    /// `fields`: what the client has sent.
    pub(super) fn new(
        endpoint: &'a Endpoint,
        head: &'a Head,
        session: &'a Session,
        fields: &'a HeaderMap,
    ) -> Self {
        Self { endpoint, head, session, fields }
    }

    /// The session's sessions at the servers in its scope that have all `capabilities` (bits), by name.
    pub(super) async fn reached(&self, capabilities: u32) -> Result<Vec<AtServer>, Rejection> {
        let opened = self.endpoint.shared.store.servers(self.session.id).await;
        let opened = opened.map_err(|error| self.endpoint.store_failed(&error))?;
        let scope = self.head.scope(Some(self.session))?;
        let (in_scope, fields) = (scope.servers(), Arc::new(self.fields.clone()));
        let reached = opened.into_iter().filter_map(|(name, session)| {
            let server = in_scope.iter().find(|server| server.name.as_str() == &*name)?;
            let has_all = server.capabilities.has(capabilities);
            has_all.then(|| self.endpoint.at(server, session, &fields))
        });
        Ok(reached.collect())
    }

    /// `logging/setLevel`: for the servers of the session now, and for those whose sessions open later.
    pub(super) async fn set_level(
        &self,
        message: &Message<'_>,
        id: &[u8],
        form: Form,
    ) -> Result<Response, Rejection> {
        let scope = self.head.scope(Some(self.session))?;
        if !scope.servers().iter().any(|server| server.capabilities.has(ServerCapabilities::LOGGING)) {
            return Err(Rejection::MethodNotFound { method: Method::SetLevel.as_str().to_owned() });
        }
        let asked = message.params.level.as_ref().ok_or(Rejection::MissingParameter { name: "level" })?;
        let level = LEVELS.into_iter().find(|level| *level == asked.value);
        let level = level.ok_or_else(|| Rejection::BadLevel { level: asked.value.clone().into_owned() })?;
        let (store, expires) = (&self.endpoint.shared.store, UnixTime(self.session.expires));
        let remembered = store.set_level(self.session.id, expires, level).await;
        remembered.map_err(|error| self.endpoint.store_failed(&error))?;
        // looked at after the level was remembered: a session that opens meanwhile sees it
        let reached = self.reached(ServerCapabilities::LOGGING).await?;
        let params = format!(r#"{{"level":"{level}"}}"#);
        let told = stream::iter(reached).for_each_concurrent(FAN_OUT, |at| {
            let params = params.clone();
            async move {
                if let Err(error) = at.query(Method::SetLevel.as_str(), &params).await {
                    tracing::debug!(server = %at.server.name, %error, "the log level was not set");
                }
            }
        });
        if timeout(FAN_OUT_DEADLINE, told).await.is_err() {
            tracing::debug!("not every server has answered logging/setLevel in time");
        }
        Ok(form.answer(vec![[br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{}}"#].concat().into()]))
    }

    /// `notifications/roots/list_changed`: to every server of the session; the client does not wait.
    pub(super) async fn roots_changed(&self, message: &[u8]) -> Result<Response, Rejection> {
        if self.session.capabilities.has_any(ClientCapabilities::ROOTS) {
            let message = Bytes::copy_from_slice(message);
            for at in self.reached(0).await? {
                let message = message.clone();
                let told = async move { at.send(Method::RootsListChanged.as_str(), message).await };
                self.endpoint.in_background(&self.endpoint.telling, told);
            }
        }
        Ok(accepted())
    }
}
