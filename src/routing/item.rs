//! A tool, prompt, resource or template under the name that clients see.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::{DiscoveredItem, Primitive, Server, template::UriTemplate, uri};
use crate::mcp::{
    Span, members,
    splice::{quoted, splice_all},
};

/// An item of a list.
#[derive(Clone, Debug)]
pub struct Item {
    pub server: Arc<Server>,
    /// The name or URI that clients see.
    pub exposed: Box<str>,
    /// The name or URI that the server knows.
    pub upstream: Box<str>,
    /// For `x-mcp-annotation-hints`.
    pub hints: Option<Box<str>>,
    /// The whole JSON object, the name replaced by the exposed one.
    pub json: Bytes,
    /// Of a resource template, what is matched; absent where it cannot be read.
    pub(super) template: Option<UriTemplate>,
}

impl Item {
    /// `item` of `server` as `exposed`; every byte but the name's is the server's. A tool also has the URI of its
    /// user interface replaced by what `expose_uri` makes of it.
    pub(super) fn of(
        server: &Arc<Server>,
        (primitive, item): (Primitive, &DiscoveredItem),
        exposed: &str,
        expose_uri: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut edits = Vec::new();
        if *exposed != *item.name {
            edits.push((item.name_span, quoted(exposed)));
        }
        if primitive == Primitive::Tool {
            let new = |(span, uri): (Span, String)| Some((span, quoted(&expose_uri(&uri)?)));
            edits.extend(interfaces(&item.json).into_iter().filter_map(new));
        }
        Self {
            server: Arc::clone(server),
            exposed: exposed.into(),
            upstream: item.name.clone(),
            hints: item.hints.clone(),
            json: if edits.is_empty() {
                item.json.clone()
            } else {
                splice_all(&item.json, &mut edits).into()
            },
            template: UriTemplate::parse(&item.name).filter(|_| primitive == Primitive::ResourceTemplate),
        }
    }

    /// Whether it is the template of `uri`, as its server knows it. One that climbs out of where it seems to be is no
    /// template's.
    pub(super) fn matches(&self, uri: &str) -> bool {
        self.template.as_ref().is_some_and(|template| template.matches(uri) && !uri::climbs(uri))
    }
}

/// Where a tool names the resource that is its user interface (MCP Apps, 2026-01-26: `_meta.ui.resourceUri`, and
/// `_meta["ui/resourceUri"]` before), and what it names.
fn interfaces(tool: &Bytes) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    let inside = |whole: Span| {
        members(whole.of(tool)).unwrap_or_default().into_iter().map(move |(key, span)| {
            (key, Span { start: whole.start + span.start, end: whole.start + span.end })
        })
    };
    let mut take = |span: Span| found.extend(serde_json::from_slice(span.of(tool)).map(|uri| (span, uri)));
    let whole = Span { start: 0, end: tool.len() };
    let is = |name: &'static str| move |(key, _): &(Cow<'_, str>, Span)| key == name;
    for (_, meta) in inside(whole).filter(is("_meta")) {
        for (key, value) in inside(meta) {
            match &*key {
                "ui/resourceUri" => take(value),
                "ui" => inside(value).filter(is("resourceUri")).for_each(|(_, uri)| take(uri)),
                _ => {}
            }
        }
    }
    found
}
