//! What discovery found: what each server offers, as the server described it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::ObjectName;
use crate::mcp::{Revision, ServerCapabilities, Span};

/// What servers offer by name (2025-11-25, server features).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `tools/list`, named by `name`.
    Tool,
    /// `prompts/list`, named by `name`.
    Prompt,
    /// `resources/list`, named by `uri`.
    Resource,
    /// `resources/templates/list`, named by `uriTemplate` (RFC 6570).
    ResourceTemplate,
}

impl Primitive {
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::ResourceTemplate];

    /// The member of the list's result that holds the items.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::ResourceTemplate => "resourceTemplates",
        }
    }
}

/// The last good discovery of each server. A server that was never reached is not in it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub servers: HashMap<ObjectName, Arc<Discovered>>,
}

/// One server as it answered `initialize` and its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Negotiated when the broker connected.
    pub revision: Revision,
    /// Whether `initialize` was answered with an `mcp-session-id`.
    pub issues_sessions: bool,
    /// What it announced.
    pub capabilities: ServerCapabilities,
    /// Whether its event streams carry ids, so that a client may resume them.
    pub has_event_ids: bool,
    /// Whether it offers a stream on GET; `true` until it has said that it does not.
    pub offers_stream: bool,
    /// `instructions` of its `initialize`, bounded.
    pub instructions: Option<Box<str>>,
    /// In the server's order; valid, names unique within the list.
    pub tools: Vec<DiscoveredItem>,
    pub prompts: Vec<DiscoveredItem>,
    pub resources: Vec<DiscoveredItem>,
    pub resource_templates: Vec<DiscoveredItem>,
    /// Dropped one by one, with the reason.
    pub rejected: Vec<RejectedItem>,
}

impl Discovered {
    /// A server that speaks `revision` and offers nothing yet.
    pub fn new(revision: Revision) -> Self {
        Self {
            revision,
            issues_sessions: false,
            capabilities: ServerCapabilities::default(),
            has_event_ids: false,
            offers_stream: true,
            instructions: None,
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// The list of one kind.
    pub fn items(&self, primitive: Primitive) -> &[DiscoveredItem] {
        match primitive {
            Primitive::Tool => &self.tools,
            Primitive::Prompt => &self.prompts,
            Primitive::Resource => &self.resources,
            Primitive::ResourceTemplate => &self.resource_templates,
        }
    }
}

/// One valid item of a list, byte for byte as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredItem {
    /// `name`, `uri` or `uriTemplate`.
    pub name: Arc<str>,
    /// The whole JSON object.
    pub json: Bytes,
    /// Where the value of the name stands in `json`, quotes included.
    pub name_span: Span,
    /// `readOnly=true,destructive=unspecified,…` for `x-mcp-annotation-hints`; absent without annotations, and for
    /// all but tools.
    pub hints: Option<Arc<str>>,
}

/// An item that is not offered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedItem {
    pub primitive: Primitive,
    /// As far as it could be read.
    pub name: String,
    pub reason: String,
}
