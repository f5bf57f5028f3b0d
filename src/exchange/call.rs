//! A tool call on its way to its server: what of the head and the body is changed.

use std::sync::Arc;

use super::{Answer, CredentialPart, HairpinRight, Head, Mutation, SessionNeed, Value, head::Incoming};
use crate::{
    mcp::{self, Message, Method, Rejection, Revision, header},
    routing::{CallCredential, Server, Snapshot, Tool},
};

/// A decided call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) tool: Arc<Tool>,
    /// The request's id as it was sent, for errors.
    pub(super) id: Option<Box<str>>,
    /// The gateway session to look up; absent for a call without one.
    pub(super) need: Option<SessionNeed>,
    /// With the prefix taken off the name; absent where there is none.
    body: Option<Vec<u8>>,
    internal: Vec<String>,
    has_authorization: bool,
    accepts_both: bool,
}

impl Call {
    pub(super) fn new(
        incoming: &Incoming,
        tool: &Arc<Tool>,
        message: &Message<'_>,
        body: &[u8],
    ) -> Result<Self, Rejection> {
        let prefix = tool.server.prefix.as_str();
        let name = message.params.name.as_ref().ok_or(Rejection::MissingParameter { name: "name" })?;
        let body = match prefix {
            "" => None,
            prefix => Some(mcp::without_prefix(body, name, prefix).ok_or(Rejection::Internal)?),
        };
        let session = incoming.session.as_ref().and_then(|session| session.as_ref().ok());
        Ok(Self {
            tool: Arc::clone(tool),
            id: message.id.map(|id| id.as_str().into()),
            need: session.map(|session| SessionNeed {
                session: session.id,
                expires: session.expires,
                revision: session.revision,
                server: Arc::clone(&tool.server),
                tool: tool.upstream.clone(),
            }),
            body,
            internal: incoming.internal.clone(),
            has_authorization: incoming.has_authorization,
            accepts_both: incoming.accepts_both,
        })
    }

    /// The answer that sends the call to its server, in the server session given.
    pub(super) fn answer(&mut self, session: Option<&(Box<str>, Revision)>) -> Answer {
        let server = &self.tool.server;
        let mut mutation = to_server(server, self.has_authorization);
        let set = &mut mutation.set;
        set.push((header::X_MCP_METHOD, Value::Static(Method::ToolsCall.as_str())));
        set.push((header::X_MCP_TOOLNAME, Value::text(header::value(&self.tool.upstream))));
        set.push((header::X_MCP_SERVERNAME, Value::text(server.name.as_str())));
        if let Some(hints) = &self.tool.hints {
            set.push((header::X_MCP_ANNOTATION_HINTS, Value::Text(hints.clone())));
        }
        if !self.accepts_both {
            set.push(("accept", Value::Static("application/json, text/event-stream")));
        }
        let revision = session.map(|(_, revision)| *revision).or(server.revision);
        if let Some(revision) = revision {
            set.push((header::PROTOCOL_VERSION, Value::Static(revision.as_str())));
        }
        match session {
            Some((id, _)) => set.push((header::SESSION_ID, Value::Text(id.clone()))),
            None => mutation.remove.push(header::SESSION_ID.into()),
        }
        // the origin was checked here and means nothing to the server; names for other eras would be wrong now
        mutation.remove.extend(["origin", header::MCP_METHOD, header::MCP_NAME].map(Into::into));
        Answer { mutation: mutation.without(&self.internal), body: self.body.take(), modes: None }
    }
}

/// What sends one of the gateway's own requests to its server; `None`: no such right. A probe carries no credential:
/// where it arrives is not known yet.
pub(super) fn hairpin(
    snapshot: &Snapshot,
    head: Head<'_>,
    right: Option<HairpinRight>,
    is_probe: bool,
) -> Option<Mutation> {
    let right = right?;
    let server =
        snapshot.server(&right.server).filter(|server| server.hostname.as_str() == &*right.hostname)?;
    let mut mutation = if is_probe {
        let mut mutation = to_host(server);
        mutation.remove.push(header::X_MCP_PROBE.into());
        mutation
    } else {
        to_server(server, head.first("authorization").is_some())
    };
    mutation.remove.push(header::X_MCP_HAIRPIN.into());
    Some(mutation)
}

/// Route and path of a request to `server`.
fn to_host(server: &Arc<Server>) -> Mutation {
    let mut set = Vec::with_capacity(12);
    set.push((":authority", Value::text(server.hostname.as_str())));
    set.push((":path", Value::Text(server.path.clone())));
    Mutation { set, route_to: Some(Arc::clone(server)), ..Mutation::default() }
}

/// Route, path and credential of a request to `server`.
fn to_server(server: &Arc<Server>, has_authorization: bool) -> Mutation {
    let mut mutation = to_host(server);
    let set = &mut mutation.set;
    if let Some(credential) = &server.credential {
        let with = |part| Value::Credential(credential.clone(), part);
        let (key, authorization) = match server.call_credential {
            CallCredential::Never => (false, false),
            CallCredential::WhenAbsent => (true, !has_authorization),
            CallCredential::Replace => (true, true),
        };
        if key {
            set.push((header::X_MCP_API_KEY, with(CredentialPart::Key)));
        }
        if authorization {
            set.push(("authorization", with(CredentialPart::Whole)));
        }
    }
    mutation
}
