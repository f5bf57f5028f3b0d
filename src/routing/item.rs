//! A tool, prompt, resource or template under the name that clients see.

use std::{
    borrow::Cow,
    hash::{Hash as _, Hasher},
    sync::Arc,
};

use bytes::Bytes;

use super::{Discovered, DiscoveredItem, Primitive, Server, template::UriTemplate, uri};
use crate::mcp::{Edits, Span, members, splice::quoted};

/// An item of a list.
#[derive(Clone, Debug)]
pub struct Item {
    pub server: Arc<Server>,
    /// The name or URI that clients see.
    pub exposed: Box<str>,
    /// The name or URI that the server knows.
    pub upstream: Arc<str>,
    /// For `x-mcp-annotation-hints`.
    pub hints: Option<Arc<str>>,
    /// Where it stands as the server sent it: nothing of it is kept twice.
    found: Arc<Discovered>,
    primitive: Primitive,
    place: u32,
    /// What else than the name clients see otherwise: the URI of a user interface.
    edits: Option<Box<Edits>>,
    /// Of a resource template, what is matched; absent where it cannot be read.
    pub(super) template: Option<Box<UriTemplate>>,
}

impl Item {
    /// The item at `place` in a list of `server` as `exposed`; every byte but the name's is the server's. A tool also
    /// has the URI of its user interface replaced by what `expose_uri` makes of it. `None`: there is no such place.
    pub(super) fn of(
        (server, found): &(Arc<Server>, Arc<Discovered>),
        (primitive, place): (Primitive, usize),
        exposed: &str,
        expose_uri: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let item = found.items(primitive).get(place)?;
        let new = |(span, uri): (Span, String)| Some((span, quoted(&expose_uri(&uri)?)));
        let edits: Edits = match primitive {
            Primitive::Tool => interfaces(&item.json).into_iter().filter_map(new).collect(),
            Primitive::Prompt | Primitive::Resource | Primitive::ResourceTemplate => Edits::default(),
        };
        let template = || UriTemplate::parse(&item.name).map(Box::new);
        Some(Self {
            server: Arc::clone(server),
            exposed: exposed.into(),
            upstream: Arc::clone(&item.name),
            hints: item.hints.clone(),
            found: Arc::clone(found),
            primitive,
            place: u32::try_from(place).ok()?,
            edits: (!edits.is_empty()).then(|| Box::new(edits)),
            template: (primitive == Primitive::ResourceTemplate).then(template).flatten(),
        })
    }

    /// The JSON object as clients see it. Made anew each time: [`super::Listing`] keeps it, with all others.
    pub(super) fn json(&self) -> Bytes {
        let Some(item) = self.source() else { return Bytes::new() };
        let mut edits = self.edits.as_deref().cloned().unwrap_or_default();
        if *self.exposed != *self.upstream {
            edits.replace(item.name_span, quoted(&self.exposed));
        }
        if edits.is_empty() { item.json.clone() } else { edits.apply(&item.json).into() }
    }

    /// All that [`Item::json`] is made of.
    pub(super) fn hash_json(&self, state: &mut impl Hasher) {
        (self.source().map(|item| &item.json), &self.exposed, &self.edits).hash(state);
    }

    fn source(&self) -> Option<&DiscoveredItem> {
        self.found.items(self.primitive).get(self.place as usize)
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
