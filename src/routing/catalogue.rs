//! What discovery found: the tools of each server, as the server described them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::ObjectName;
use crate::mcp::{Revision, Span};

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
    /// Whether `tools.listChanged` was announced.
    pub list_changed: bool,
    /// In the server's order; valid, names unique within the server.
    pub tools: Vec<DiscoveredTool>,
    /// Dropped one by one, with the reason.
    pub rejected: Vec<RejectedTool>,
}

/// One valid tool, byte for byte as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTool {
    pub name: Box<str>,
    /// The whole JSON object.
    pub json: Bytes,
    /// Where the value of `name` stands in `json`, quotes included.
    pub name_span: Span,
    /// `readOnly=true,destructive=unspecified,…` for `x-mcp-annotation-hints`; absent without annotations.
    pub hints: Option<Box<str>>,
}

/// A tool that is not offered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedTool {
    /// As far as it could be read.
    pub name: String,
    pub reason: String,
}
