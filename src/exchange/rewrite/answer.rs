//! The result of a client's request: its URIs and its tasks.

use super::{AliasKind, Origin, Tokens};
use crate::mcp::{
    Edits, Span,
    scan::{
        Place, RELATED_TASK,
        Step::{self, Each, Key},
        places, text,
    },
    splice::quoted,
};

/// URIs and tasks of one result that are replaced; more than any honest one has. What follows goes on as it is, and a
/// client that asks for it is told that it is unknown.
pub(super) const MAX_EDITS: usize = 8192;

/// What it may cost to look up the URIs of one result: the bytes of each, and [`LOOKUP`]. Those beyond go on as they are.
/// Each is compared with all templates, and its length is the server's choice.
pub(super) const MAX_LOOKED_UP: usize = 256 << 10;
/// What a URI costs, however short it is.
pub(super) const LOOKUP: usize = 64;

/// Where a result names resources: links and embedded ones in the contents of a tool and the messages of a prompt,
/// and what was read (2025-11-25, schema, `ContentBlock`, `ReadResourceResult`).
pub(super) const URIS: [&[Step]; 7] = [
    &[Key("content"), Each, Key("uri")],
    &[Key("content"), Each, Key("resource"), Key("uri")],
    &[Key("messages"), Each, Key("content"), Key("uri")],
    &[Key("messages"), Each, Key("content"), Key("resource"), Key("uri")],
    &[Key("messages"), Each, Key("content"), Each, Key("uri")],
    &[Key("messages"), Each, Key("content"), Each, Key("resource"), Key("uri")],
    &[Key("contents"), Each, Key("uri")],
];

/// Where a result names tasks (2025-11-25, schema, `CreateTaskResult`, `GetTaskResult`, `ListTasksResult`, and
/// `_meta` of what a task has led to).
const TASKS: [&[Step]; 4] = [
    &[Key("task"), Key("taskId")],
    &[Key("taskId")],
    &[Key("tasks"), Each, Key("taskId")],
    &[Key("_meta"), Key(RELATED_TASK), Key("taskId")],
];

/// What of the `result`, which stands there in `body`, is replaced.
pub(super) fn edits(origin: &Origin, body: &[u8], result: Span, tokens: &impl Tokens) -> Edits {
    let uris = if origin.rewrites_uris { &URIS[..] } else { &[] };
    let tasks = if origin.rewrites_tasks { &TASKS[..] } else { &[] };
    if uris.is_empty() && tasks.is_empty() {
        return Edits::default();
    }
    let found = places(result.of(body), &[uris, tasks].concat()).unwrap_or_default();
    let mut left = MAX_LOOKED_UP;
    let edit = |Place { way, span }| {
        let span = Span { start: result.start + span.start, end: result.start + span.end };
        let said = text(body, span)?.value;
        if way >= uris.len() {
            return Some((span, origin.quoted_alias(AliasKind::Task, &said, tokens)));
        }
        left = left.checked_sub(said.len() + LOOKUP)?;
        let exposed = origin.snapshot.exposed_uri(&origin.server, &said);
        (exposed != said).then(|| (span, quoted(&exposed)))
    };
    found.into_iter().filter_map(edit).take(MAX_EDITS).collect()
}
