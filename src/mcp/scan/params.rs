//! The parts of `params` the gateway reads: what names a tool, prompt or resource, and `_meta`.

use std::borrow::Cow;

use super::super::splice::Span;
use super::cursor::Cursor;
use super::keys::Level;
use super::lexer::Stop;
use super::{Fault, Id, Text};

/// The key of `_meta` that says which task a message is part of.
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// Members of `params`, whatever the method; absent ones are none.
#[derive(Clone, Debug, Default)]
pub struct Params<'a> {
    /// The whole object, with its braces.
    pub span: Option<Span>,
    /// `name` of `tools/call` and `prompts/get`.
    pub name: Option<Text<'a>>,
    /// `uri` of `resources/read`, `resources/subscribe` and `resources/unsubscribe`.
    pub uri: Option<Text<'a>>,
    /// `ref` of `completion/complete`.
    pub reference: Option<Reference<'a>>,
    /// The value of `arguments`; only its JSON grammar was checked.
    pub arguments: Option<Span>,
    /// `cursor` of the list methods; an empty one is a cursor.
    pub cursor: Option<Text<'a>>,
    /// `protocolVersion` of `initialize`.
    pub protocol_version: Option<Text<'a>>,
    /// `requestId` of `notifications/cancelled`.
    pub request_id: Option<Id<'a>>,
    /// `taskId` of the `tasks/` methods and of `notifications/tasks/status`.
    pub task_id: Option<Text<'a>>,
    /// `task` of a request that is to run as a task; only its JSON grammar was checked.
    pub task: Option<Span>,
    /// `progressToken` of `notifications/progress`.
    pub progress_token: Option<Id<'a>>,
    /// `level` of `logging/setLevel` and of `notifications/message`; anything but a string is none.
    pub level: Option<Text<'a>>,
    /// `mode` of `elicitation/create`; anything but a string is none.
    pub mode: Option<Text<'a>>,
    /// The value of `logger` of `notifications/message`, whatever it is.
    pub logger: Option<Span>,
    pub meta: Meta<'a>,
}

/// `params.ref`: the prompt or resource template to complete an argument of.
#[derive(Clone, Debug, Default)]
pub struct Reference<'a> {
    /// `type`: `ref/prompt` or `ref/resource`.
    pub kind: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub uri: Option<Text<'a>>,
}

/// `params._meta`.
#[derive(Clone, Debug, Default)]
pub struct Meta<'a> {
    /// The whole object, with its braces.
    pub span: Option<Span>,
    pub progress_token: Option<Id<'a>>,
    /// `io.modelcontextprotocol/protocolVersion`: the sender speaks 2026-07-28 or later.
    pub protocol_version: Option<Text<'a>>,
    /// `taskId` of `io.modelcontextprotocol/related-task`: the message is part of that task (2025-11-25, basic, tasks).
    pub related_task: Option<Text<'a>>,
}

impl<'a> Params<'a> {
    pub(super) fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Stop> {
        self.span = Some(object(cursor, Level::Params, |cursor, key| self.member(cursor, &key))?);
        Ok(())
    }

    fn member(&mut self, cursor: &mut Cursor<'a>, key: &str) -> Result<(), Stop> {
        match key {
            "name" => self.name = text(cursor)?,
            "uri" => self.uri = text(cursor)?,
            "ref" => self.reference.insert(Reference::default()).read(cursor)?,
            "arguments" => self.arguments = Some(cursor.skip()?),
            "cursor" => self.cursor = text(cursor)?,
            "protocolVersion" => self.protocol_version = text(cursor)?,
            "requestId" => self.request_id = Some(cursor.id(Fault::BadParams)?),
            "taskId" => self.task_id = text(cursor)?,
            "task" => self.task = Some(cursor.skip()?),
            "progressToken" => self.progress_token = Some(cursor.id(Fault::BadParams)?),
            "level" => self.level = text_or_other(cursor)?,
            "mode" => self.mode = text_or_other(cursor)?,
            "logger" => self.logger = Some(cursor.skip()?),
            "_meta" => self.meta.read(cursor)?,
            _ => _ = cursor.skip()?,
        }
        Ok(())
    }
}

impl<'a> Reference<'a> {
    fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Stop> {
        object(cursor, Level::Reference, |cursor, key| {
            match &*key {
                "type" => self.kind = text(cursor)?,
                "name" => self.name = text(cursor)?,
                "uri" => self.uri = text(cursor)?,
                _ => _ = cursor.skip()?,
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl<'a> Meta<'a> {
    fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Stop> {
        let span = object(cursor, Level::Meta, |cursor, key| {
            match &*key {
                "progressToken" => self.progress_token = Some(cursor.id(Fault::BadParams)?),
                "io.modelcontextprotocol/protocolVersion" => self.protocol_version = text(cursor)?,
                RELATED_TASK if cursor.peek() == Some(b'{') => self.related_task = task_id(cursor)?,
                _ => _ = cursor.skip()?,
            }
            Ok(())
        })?;
        self.span = Some(span);
        Ok(())
    }
}

fn task_id<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Text<'a>>, Stop> {
    let mut found = None;
    cursor.object(Level::Plain, |cursor, key| {
        match &*key {
            "taskId" => found = text_or_other(cursor)?,
            _ => _ = cursor.skip()?,
        }
        Ok(())
    })?;
    Ok(found)
}

fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Text<'a>>, Stop> {
    cursor.text(Fault::BadParams).map(Some)
}

/// A string; any other value is passed over: extensions may use the key for what they like.
fn text_or_other<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Text<'a>>, Stop> {
    if cursor.peek() == Some(b'"') { text(cursor) } else { cursor.skip().map(|_other| None) }
}

/// Walks one object of `params`; another kind of value in its place is [`Fault::BadParams`].
fn object<'a>(
    cursor: &mut Cursor<'a>,
    level: Level,
    member: impl FnMut(&mut Cursor<'a>, Cow<'a, str>) -> Result<(), Stop>,
) -> Result<Span, Stop> {
    if cursor.peek() == Some(b'{') { cursor.object(level, member) } else { cursor.fail(Fault::BadParams) }
}
