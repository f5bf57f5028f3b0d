//! Whether an answer may have to change before the client sees it: known before it comes.

use super::{Form, Head, Origin, Rewriter};
use crate::{
    mcp::{ClientCapabilities, Message, Method, ServerCapabilities, header},
    routing::{Server, Snapshot},
};

/// What a client must have announced for a server to ask it anything but a ping.
const ASKED: u32 = ClientCapabilities::ROOTS
    | ClientCapabilities::SAMPLING
    | ClientCapabilities::ELICITATION_FORM
    | ClientCapabilities::ELICITATION_URL
    | ClientCapabilities::TASKS;

/// An answer that may have to change.
#[derive(Debug)]
pub(super) struct MayChange(Origin);

impl MayChange {
    /// `None`: nothing in the answer has to change, whatever it is.
    pub(super) fn of(origin: Origin) -> Option<Self> {
        let may_change = origin.rewrites_uris
            || origin.rewrites_tasks
            || origin.client.has_any(ASKED)
            || origin.server.has_event_ids
            || origin.server.capabilities.has(ServerCapabilities::LOGGING);
        may_change.then_some(Self(origin))
    }

    pub(super) fn origin(&mut self) -> &mut Origin {
        &mut self.0
    }

    /// What rewrites a body of this `content-type`; `None`: it goes on as it is.
    pub(super) fn begin(self, content_type: &[u8]) -> Option<Rewriter> {
        let Self(origin) = self;
        if header::media_type_is(content_type, "text/event-stream") {
            return Some(Rewriter::new(origin, Form::EventStream));
        }
        let in_json = origin.rewrites_uris || origin.rewrites_tasks;
        let is_json = header::media_type_is(content_type, "application/json");
        (in_json && is_json).then(|| Rewriter::new(origin, Form::Json))
    }
}

/// Whether the body of a response can be read.
pub(super) fn is_plain(head: Head<'_>) -> bool {
    head.first("content-encoding").is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"identity"))
}

/// Whether the answer may name resources that another server would be asked for.
pub(super) fn names_uris(snapshot: &Snapshot, server: &Server, method: Method) -> bool {
    let is_about = matches!(
        method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::TasksResult
    );
    is_about && server.capabilities.has(ServerCapabilities::RESOURCES) && snapshot.resource_servers() > 1
}

/// Whether the answer names a task.
pub(super) fn names_tasks(message: &Message<'_>, method: Method) -> bool {
    message.params.task.is_some()
        || matches!(method, Method::TasksGet | Method::TasksResult | Method::TasksCancel)
}
