//! The broker's own requests to one server of a client's session, through Envoy.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::Semaphore;

use super::Endpoint;
use crate::{
    exchange::{HairpinRight, Header},
    mcp::header,
    routing::Server,
    sessions::{Errand, Hairpin, OpenError, ServerSession},
};

/// A session at one server, and what the client that it is for has sent.
#[derive(Debug)]
pub(super) struct AtServer {
    pub(super) server: Arc<Server>,
    session: ServerSession,
    fields: Arc<HeaderMap>,
    hairpin: Arc<Hairpin>,
}

impl Endpoint {
    pub(super) fn at(
        &self,
        server: &Arc<Server>,
        session: ServerSession,
        fields: &Arc<HeaderMap>,
    ) -> AtServer {
        let (server, fields) = (Arc::clone(server), Arc::clone(fields));
        AtServer { server, session, fields, hairpin: Arc::clone(&self.shared.hairpin) }
    }

    /// Does `errand` without keeping the client waiting; where `most` are under way, it is left undone.
    pub(super) fn in_background(
        &self,
        most: &Arc<Semaphore>,
        errand: impl Future<Output = Result<(), OpenError>> + Send + 'static,
    ) {
        let Ok(permit) = Arc::clone(most).try_acquire_owned() else {
            tracing::debug!("too many requests to servers at once: one is not sent");
            return;
        };
        self.tasks.spawn(async move {
            if let Err(error) = errand.await {
                tracing::debug!(%error, "a server was not told");
            }
            drop(permit);
        });
    }
}

impl AtServer {
    /// Asks `method`, with `params` of JSON; the JSON-RPC response.
    pub(super) async fn query(&self, method: &'static str, params: &str) -> Result<Vec<u8>, OpenError> {
        let set = [Header { name: header::X_MCP_METHOD, value: method.as_bytes() }];
        let (right, headers) = (self.right(), self.headers());
        let errand = Errand { right: &right, headers: &headers, set: &set };
        self.hairpin.query(errand, &self.session, method, params).await
    }

    /// Sends `message`, a notification of `method`.
    pub(super) async fn send(&self, method: &'static str, message: Bytes) -> Result<(), OpenError> {
        let set = [Header { name: header::X_MCP_METHOD, value: method.as_bytes() }];
        let (right, headers) = (self.right(), self.headers());
        let errand = Errand { right: &right, headers: &headers, set: &set };
        self.hairpin.send(errand, &self.session, message).await
    }

    /// Ends the session at the server.
    pub(super) async fn close(&self) -> Result<(), OpenError> {
        let (right, headers) = (self.right(), self.headers());
        let errand = Errand { right: &right, headers: &headers, set: &[] };
        self.hairpin.close(errand, &self.session).await
    }

    fn right(&self) -> HairpinRight {
        let Server { name, hostname, .. } = &*self.server;
        HairpinRight { server: name.as_str().into(), hostname: hostname.as_str().into() }
    }

    fn headers(&self) -> Vec<Header<'_>> {
        self.fields
            .iter()
            .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
            .collect()
    }
}
