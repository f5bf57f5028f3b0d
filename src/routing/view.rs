//! What one kind of caller sees and may call: the same tools for both, by exact name.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};

use super::{DiscoveredTool, Server};
use crate::mcp::splice::{quoted, splice};

/// A tool under the name that clients see.
#[derive(Clone, Debug)]
pub struct Tool {
    pub server: Arc<Server>,
    /// Prefix and name.
    pub exposed: Box<str>,
    /// The name that the server knows.
    pub upstream: Box<str>,
    /// For `x-mcp-annotation-hints`.
    pub hints: Option<Box<str>>,
    /// The whole JSON object, `name` replaced by the exposed one.
    pub json: Bytes,
}

impl Tool {
    /// `tool` of `server` under its exposed name; every byte but the name's is the server's.
    pub fn of(server: &Arc<Server>, tool: &DiscoveredTool) -> Self {
        let exposed = server.prefix.expose(&tool.name);
        let json = if server.prefix.as_str().is_empty() {
            tool.json.clone()
        } else {
            splice(&tool.json, tool.name_span, &quoted(&exposed)).into()
        };
        let (upstream, hints) = (tool.name.clone(), tool.hints.clone());
        Self { server: Arc::clone(server), exposed: exposed.into(), upstream, hints, json }
    }
}

/// A set of tools: found by name in constant time, listed in the order of their names from bytes built once.
#[derive(Debug, Default)]
pub struct View {
    by_name: HashMap<Box<str>, Arc<Tool>>,
    sorted: Vec<Arc<Tool>>,
    /// The sorted tools' JSON with commas between.
    joined: Bytes,
    /// Where each sorted tool ends in `joined`.
    ends: Vec<usize>,
}

impl View {
    /// A view of `tools`, whose exposed names are unique.
    pub fn new(mut tools: Vec<Arc<Tool>>) -> Self {
        tools.sort_unstable_by(|a, b| a.exposed.cmp(&b.exposed));
        tools.dedup_by(|a, b| a.exposed == b.exposed);
        let mut joined = BytesMut::with_capacity(tools.iter().map(|tool| tool.json.len() + 1).sum());
        let mut ends = Vec::with_capacity(tools.len());
        for tool in &tools {
            if !joined.is_empty() {
                joined.extend_from_slice(b",");
            }
            joined.extend_from_slice(&tool.json);
            ends.push(joined.len());
        }
        let by_name = tools.iter().map(|tool| (tool.exposed.clone(), Arc::clone(tool))).collect();
        Self { by_name, sorted: tools, joined: joined.freeze(), ends }
    }

    pub fn tool(&self, exposed: &str) -> Option<&Arc<Tool>> {
        self.by_name.get(exposed)
    }

    /// In the order of their names.
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.sorted
    }

    /// The JSON of all tools, with commas between: equal bytes, equal lists.
    pub fn joined(&self) -> &Bytes {
        &self.joined
    }

    /// At most `size` tools (0: all) whose names come after `after`.
    fn page(&self, after: &str, size: usize) -> Page {
        let first = self.sorted.partition_point(|tool| &*tool.exposed <= after);
        let last =
            if size == 0 { self.sorted.len() } else { self.sorted.len().min(first.saturating_add(size)) };
        let before = |index: usize| index.checked_sub(1).and_then(|index| self.ends.get(index).copied());
        let (start, end) = (before(first).map_or(0, |end| end + 1), before(last).unwrap_or(0));
        let tools = if first < last { self.joined.slice(start..end) } else { Bytes::new() };
        Page { tools, next: self.cursor(last) }
    }

    fn cursor(&self, last: usize) -> Option<String> {
        let name = &self.sorted.get(last.checked_sub(1)?)?.exposed;
        (last < self.sorted.len()).then(|| BASE64_URL_SAFE_NO_PAD.encode(&**name))
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// JSON objects with commas between.
    pub tools: Bytes,
    /// `nextCursor`; absent on the last page.
    pub next: Option<String>,
}

/// What one request may see and call: every view that limits it, at once.
#[derive(Clone, Debug)]
pub struct Scope<'s> {
    pub(super) first: &'s View,
    pub(super) also: Vec<&'s View>,
}

impl<'s> Scope<'s> {
    /// The tool of that exposed name, if every view has it.
    pub fn tool(&self, exposed: &str) -> Option<&'s Arc<Tool>> {
        let tool = self.first.tool(exposed)?;
        self.also.iter().all(|view| view.tool(exposed).is_some()).then_some(tool)
    }

    /// The page that `cursor` asks for, of `size` tools (0: all on one page); `None`: not a cursor of ours.
    pub fn page(&self, cursor: Option<&str>, size: usize) -> Option<Page> {
        let after = match cursor {
            None => String::new(),
            Some(cursor) => String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?,
        };
        if self.also.is_empty() {
            return Some(self.first.page(&after, size));
        }
        let common = self.first.tools().iter().filter(|tool| self.tool(&tool.exposed).is_some());
        Some(View::new(common.map(Arc::clone).collect()).page(&after, size))
    }
}
