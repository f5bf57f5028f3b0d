//! Messages that say themselves whose they are: what they name was given out by the gateway, as an alias.

use std::sync::Arc;

use super::{AliasKind, SessionId, Tokens, head::Incoming};
use crate::{
    mcp::{
        Edits, Id, Kind, Message, Span,
        scan::{self, RELATED_TASK, Step, Text, places},
        splice,
    },
    routing::{Forward, Server, Snapshot},
};

/// The server that a message is for, and the alias in it.
#[derive(Debug)]
pub(super) struct Owned<'s> {
    pub(super) forward: Forward<'s>,
    pub(super) alias: Box<str>,
}

/// The answer to a server's request: `id` is the alias.
pub(super) fn answered<'s>(
    incoming: &Incoming,
    snapshot: &'s Snapshot,
    message: &Message<'_>,
    body: &[u8],
    tokens: &impl Tokens,
) -> Option<Owned<'s>> {
    let id = message.id?;
    let named = Named { kind: AliasKind::Request, alias: &text(id)?, span: id.span_in(body)? };
    owned(incoming, snapshot, named, &related(message, body), tokens)
}

/// The progress of a server's request: `params.progressToken` is the alias.
pub(super) fn progressing<'s>(
    incoming: &Incoming,
    snapshot: &'s Snapshot,
    message: &Message<'_>,
    body: &[u8],
    tokens: &impl Tokens,
) -> Option<Owned<'s>> {
    let token = message.params.progress_token?;
    let named = Named { kind: AliasKind::Progress, alias: &text(token)?, span: token.span_in(body)? };
    owned(incoming, snapshot, named, &related(message, body), tokens)
}

/// A message about a task: `params.taskId` is the alias.
pub(super) fn tasked<'s>(
    incoming: &Incoming,
    snapshot: &'s Snapshot,
    message: &Message<'_>,
    body: &[u8],
    tokens: &impl Tokens,
) -> Option<Owned<'s>> {
    let task = message.params.task_id.as_ref()?;
    let named = Named { kind: AliasKind::Task, alias: &task.value, span: task.span };
    owned(incoming, snapshot, named, &related(message, body), tokens)
}

/// The alias that says whose a message is, and where it stands.
#[derive(Clone, Copy)]
struct Named<'a> {
    kind: AliasKind,
    alias: &'a str,
    span: Span,
}

/// Opens the alias; only in the session that it was given out in, for a server that this session still sees. The tasks
/// that the message is part of must be that server's, too.
fn owned<'s>(
    incoming: &Incoming,
    snapshot: &'s Snapshot,
    named: Named<'_>,
    related: &[Text<'_>],
    tokens: &impl Tokens,
) -> Option<Owned<'s>> {
    let Named { kind, alias, span } = named;
    let session = incoming.session.as_ref().and_then(|session| session.as_ref().ok());
    let session = session.map_or(SessionId([0; 16]), |session| session.id);
    let opened = tokens.open_alias(kind, alias).filter(|alias| alias.session == session)?;
    let server = visible(incoming, snapshot, &opened.server)?;
    let mut edits = Edits::default();
    edits.replace(span, written(kind, &opened.original));
    for task in related {
        match tokens.open_alias(AliasKind::Task, &task.value) {
            Some(of) if of.session == session && of.server == opened.server => {
                edits.replace(task.span, written(AliasKind::Task, &of.original));
            }
            Some(_) => return None,
            // a task of the client's own, which the server has asked for
            None => {}
        }
    }
    let forward = Forward { server, item: None, upstream: Arc::default(), edits };
    Some(Owned { forward, alias: alias.into() })
}

/// What the server wrote, as it stands in JSON.
fn written(kind: AliasKind, original: &str) -> Vec<u8> {
    match kind {
        AliasKind::Request | AliasKind::Progress => original.as_bytes().to_vec(),
        AliasKind::Task | AliasKind::Event | AliasKind::Cursor => splice::quoted(original),
    }
}

/// Where a result says which task it is part of (2025-11-25, basic, tasks, related task metadata).
const IN_RESULT: &[Step] = &[Step::Key("_meta"), Step::Key(RELATED_TASK), Step::Key("taskId")];

/// The tasks that the message says it is part of.
fn related<'a>(message: &Message<'a>, body: &'a [u8]) -> Vec<Text<'a>> {
    let result = message.outcome.filter(|_| message.kind == Kind::Result).unwrap_or_default();
    let found = places(result.of(body), &[IN_RESULT]).unwrap_or_default();
    let moved = |span: Span| Span { start: result.start + span.start, end: result.start + span.end };
    let in_result = found.into_iter().filter_map(|place| scan::text(body, moved(place.span)));
    in_result.chain(message.params.meta.related_task.clone()).collect()
}

/// The server of that name, if the request may see it.
pub(super) fn visible<'s>(
    incoming: &Incoming,
    snapshot: &'s Snapshot,
    name: &str,
) -> Option<&'s Arc<Server>> {
    let limits = incoming.virtual_servers();
    if limits.is_empty() {
        return snapshot.server(name);
    }
    snapshot.scope(&limits).ok()?.servers().into_iter().find(|server| server.name.as_str() == name)
}

/// What an id says that is a string.
fn text(id: Id<'_>) -> Option<String> {
    id.canonical().strip_prefix('"').map(str::to_owned)
}
