//! The one decision: who answers a message.

use std::sync::Arc;

use super::{Scope, Snapshot, Tool};
use crate::mcp::{Kind, Message, Method, Rejection};

/// What decides about a message.
#[derive(Debug)]
pub struct Request<'a> {
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
    /// The tool's server, in-path.
    Call(&'s Arc<Tool>),
    /// Nobody; the caller is told why.
    Reject(Rejection),
}

/// Decides about `request`; what [`Scope::page`] lists is exactly what this lets call.
pub fn decide<'s>(snapshot: &'s Snapshot, request: &Request<'_>) -> Decision<'s> {
    let scope = match snapshot.scope(request.virtual_servers) {
        Ok(scope) => scope,
        Err(rejection) => return Decision::Reject(rejection),
    };
    let message = request.message;
    let method = message.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value));
    match (message.kind, method) {
        (Kind::Request, Method::ToolsCall) => call(snapshot, &scope, request),
        (Kind::Request | Kind::Notification | Kind::Result | Kind::Error, _) => Decision::Broker,
    }
}

fn call<'s>(snapshot: &Snapshot, scope: &Scope<'s>, request: &Request<'_>) -> Decision<'s> {
    let Some(name) = &request.message.params.name else {
        return Decision::Reject(Rejection::MissingParameter { name: "name" });
    };
    let Some(tool) = scope.tool(&name.value) else {
        return Decision::Reject(Rejection::UnknownTool { name: name.value.clone().into_owned() });
    };
    if !request.has_session && (snapshot.require_session() || tool.server.issues_sessions) {
        return Decision::Reject(Rejection::SessionNeeded { server: tool.server.name.to_string() });
    }
    Decision::Call(tool)
}
