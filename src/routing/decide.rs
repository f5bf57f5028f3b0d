//! The one decision: who answers a message.

use std::sync::Arc;

use super::{Item, Server, Snapshot, target::Target};
use crate::mcp::{Edits, Kind, Message, Method, Rejection, splice::prefix_span};

/// What decides about a message.
#[derive(Debug)]
pub struct Request<'a> {
    /// What `message` was read from.
    pub body: &'a [u8],
    pub message: &'a Message<'a>,
    /// Virtual servers that limit the request: by path, by a filter, by its session.
    pub virtual_servers: &'a [&'a str],
    /// Whether it carries a session id that could be opened.
    pub has_session: bool,
}

/// Who answers.
#[derive(Debug)]
#[must_use]
pub enum Decision<'s> {
    /// The broker, with the message as it is.
    Broker,
    /// The one server, in-path.
    Forward(Forward<'s>),
    /// The server whose request the message answers: its `id` is an alias.
    Answer,
    /// The server whose request it is the progress of: `params.progressToken` is an alias.
    Progress,
    /// The server that has the task: `params.taskId` is an alias.
    Task,
    /// The server that runs the request `params.requestId`.
    Cancel,
    /// Nobody; the caller is told why.
    Reject(Rejection),
}

/// A message for one server.
#[derive(Debug)]
pub struct Forward<'s> {
    pub server: &'s Arc<Server>,
    /// Present where it names a tool, for `x-mcp-annotation-hints`.
    pub item: Option<&'s Arc<Item>>,
    /// The name or URI that the server knows, for header fields that policies read.
    pub upstream: Arc<str>,
    /// What of the body is replaced.
    pub edits: Edits,
}

/// Decides about `request`; what [`super::Scope::page`] lists is exactly what this lets call.
pub fn decide<'s>(snapshot: &'s Snapshot, request: &Request<'_>) -> Decision<'s> {
    let scope = match snapshot.scope(request.virtual_servers) {
        Ok(scope) => scope,
        Err(rejection) => return Decision::Reject(rejection),
    };
    let (message, params) = (request.message, &request.message.params);
    let method = message.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value));
    let target = match (message.kind, method) {
        (Kind::Result | Kind::Error, _) => return Decision::Answer,
        (Kind::Notification, Method::Progress) if params.progress_token.is_some() => {
            return Decision::Progress;
        }
        (Kind::Notification, Method::Cancelled) if params.request_id.is_some() => return Decision::Cancel,
        (Kind::Request, Method::TasksGet | Method::TasksResult | Method::TasksCancel) => {
            let missing = Rejection::MissingParameter { name: "taskId" };
            return params.task_id.as_ref().map_or(Decision::Reject(missing), |_| Decision::Task);
        }
        (Kind::Request, Method::ToolsCall) => Target::tool(&scope, params),
        (Kind::Request, Method::PromptsGet) => Target::prompt(&scope, params),
        (
            Kind::Request,
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe,
        ) => Target::resource(&scope, params),
        (Kind::Request, Method::Complete) => Target::reference(&scope, params),
        (Kind::Request | Kind::Notification, _) => return Decision::Broker,
    };
    match target {
        Ok(target) => forward(snapshot, request, target),
        Err(rejection) => Decision::Reject(rejection),
    }
}

fn forward<'s>(snapshot: &Snapshot, request: &Request<'_>, target: Target<'s, '_>) -> Decision<'s> {
    let Target { server, item, upstream, text } = target;
    if !request.has_session && (snapshot.require_session() || server.issues_sessions) {
        return Decision::Reject(Rejection::SessionNeeded { server: server.name.to_string() });
    }
    // names and URIs alike: what clients see is a start of the gateway's and what the server knows
    let start = text.value.strip_suffix(&*upstream).unwrap_or_default();
    let cut = prefix_span(request.body, text, start).filter(|span| !span.is_empty());
    let edits = cut.map(|span| (span, Vec::new())).into_iter().collect();
    Decision::Forward(Forward { server, item, upstream, edits })
}
