//! A message on its way to its server: what of the head and the body is changed.

use std::{borrow::Cow, sync::Arc};

use super::{
    Answer, BodyMode, CredentialPart, HairpinRight, Head, Mutation, Origin, SessionId, SessionNeed, Subject,
    Value,
    head::{Incoming, Sent},
    may_change::{self, MayChange},
};
use crate::{
    mcp::{ClientCapabilities, Edits, Kind, Message, Method, Revision, header},
    routing::{CallCredential, Forward, Server, Snapshot},
};

/// A message on its way to its server.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) server: Arc<Server>,
    /// The request's id as it was sent, for errors; absent for what is no request.
    pub(super) id: Option<Arc<str>>,
    pub(super) kind: Kind,
    /// The server session to look up; absent for a client without a session.
    pub(super) need: Option<SessionNeed>,
    /// What of the answer may have to change; absent: nothing.
    pub(super) may_change: Option<MayChange>,
    subject: Subject,
    hints: Option<Arc<str>>,
    edits: Edits,
    sent: Sent,
}

impl Call {
    /// `message` to the server that `forward` says.
    pub(super) fn new(
        incoming: &Incoming,
        snapshot: &Arc<Snapshot>,
        forward: Forward<'_>,
        message: &Message<'_>,
    ) -> Self {
        let Forward { server, item, upstream, edits } = forward;
        let method = message.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value));
        let subject = Subject {
            method: message.method.as_ref().map(|_| method.as_str()),
            name: name(method, upstream),
        };
        let session = incoming.session.as_ref().and_then(|session| session.as_ref().ok());
        let is_request = message.kind == Kind::Request;
        let can_rewrite = incoming.body_mode != BodyMode::FullDuplex;
        let client =
            session.filter(|_| can_rewrite).map(|session| askable(session.capabilities)).unwrap_or_default();
        let id = message.id.filter(|_| is_request).map(|id| Arc::<str>::from(id.as_str()));
        let origin = Origin {
            snapshot: Arc::clone(snapshot),
            server: Arc::clone(server),
            session: session.map_or(SessionId([0; 16]), |session| session.id),
            client,
            rewrites_uris: may_change::names_uris(snapshot, server, method),
            rewrites_tasks: may_change::names_tasks(message, method),
        };
        Self {
            server: Arc::clone(server),
            kind: message.kind,
            need: session.map(|session| SessionNeed {
                session: session.id,
                expires: session.expires,
                revision: session.revision,
                capabilities: client,
                server: Arc::clone(server),
                subject: subject.clone(),
                opens: is_request,
                settles: None,
                request: id.clone(),
            }),
            may_change: (is_request && can_rewrite).then(|| MayChange::of(origin)).flatten(),
            id,
            subject,
            hints: item.and_then(|item| item.hints.clone()),
            edits,
            sent: incoming.sent.clone(),
        }
    }

    /// The answer that sends the message to its server, in the server session given.
    pub(super) fn answer(&mut self, session: Option<(Arc<str>, Revision)>) -> Answer {
        let (server, sent) = (&self.server, &self.sent);
        let mut mutation = to_server(server, sent.has_authorization);
        if sent.path == Some(&*server.path) {
            mutation.set.retain(|(name, _)| *name != ":path");
        }
        let set = &mut mutation.set;
        set.extend(self.subject.method.map(|method| (header::X_MCP_METHOD, Value::Static(method))));
        set.extend(self.subject.name.take().map(|(field, name)| (field, Value::Text(name))));
        set.push((header::X_MCP_SERVERNAME, Value::text(&server.name)));
        set.extend(self.hints.take().map(|hints| (header::X_MCP_ANNOTATION_HINTS, Value::Text(hints))));
        if !sent.accepts_both {
            set.push(("accept", Value::Static("application/json, text/event-stream")));
        }
        let revision = session.as_ref().map(|(_, revision)| *revision).or(server.revision);
        if let Some(revision) = revision.filter(|_| revision != sent.revision) {
            set.push((header::PROTOCOL_VERSION, Value::Static(revision.as_str())));
        }
        match session {
            Some((id, _)) => set.push((header::SESSION_ID, Value::Text(id))),
            None => mutation.remove.push(header::SESSION_ID.into()),
        }
        mutation.remove.extend(sent.unwanted.iter().map(|&name| name.into()));
        if self.may_change.is_some() && sent.accepts_encodings {
            mutation.remove.push("accept-encoding".into());
        }
        Answer {
            mutation: mutation.without(&self.sent.internal),
            edits: std::mem::take(&mut self.edits),
            modes: None,
        }
    }
}

/// What a server may ask: to the client all servers are one, so it would name the tasks of the others.
fn askable(announced: ClientCapabilities) -> ClientCapabilities {
    ClientCapabilities(announced.0 & !ClientCapabilities::TASKS_LIST)
}

fn name(method: Method, upstream: Arc<str>) -> Option<(&'static str, Arc<str>)> {
    let field = if method == Method::ToolsCall {
        header::X_MCP_TOOLNAME
    } else if method == Method::PromptsGet {
        header::X_MCP_PROMPTNAME
    } else if matches!(
        method,
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    ) {
        header::X_MCP_RESOURCEURI
    } else {
        return None;
    };
    // whatever is forwarded: a policy that forbids some must not be blind to long ones (bounded by `routing`)
    let encoded = match header::value(&upstream) {
        Cow::Borrowed(_) => None,
        Cow::Owned(encoded) => Some(encoded.into()),
    };
    Some((field, encoded.unwrap_or(upstream)))
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
    set.push((":authority", Value::text(&server.hostname)));
    set.push((":path", Value::text(Arc::clone(&server.path))));
    Mutation { set, route_to: Some(Arc::clone(server)), ..Mutation::default() }
}

/// Route, path and credential of a request to `server`.
fn to_server(server: &Arc<Server>, has_authorization: bool) -> Mutation {
    let mut mutation = to_host(server);
    let set = &mut mutation.set;
    if let Some(credential) = &server.credential {
        let with = |part| Value::Credential(Arc::clone(credential), part);
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
