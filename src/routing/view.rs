//! What one kind of caller sees and may call: the same items for both.

use std::{collections::HashMap, sync::Arc};

use super::{Item, Listing, ObjectName, Primitive, Server};

/// A list of each kind, and whose they are.
#[derive(Debug, Default)]
pub struct View {
    pub(super) tools: Listing,
    pub(super) prompts: Listing,
    pub(super) resources: Listing,
    pub(super) resource_templates: Listing,
    /// The servers that have anything here, in the order of the configuration.
    pub(super) servers: Vec<Arc<Server>>,
    /// The same by name, and whether what they do not list can be read too.
    members: HashMap<ObjectName, Unlisted>,
    /// The items of `resource_templates` in the order of the configuration: the first that matches has the URI.
    templates: Vec<Arc<Item>>,
}

/// Whether resources that a server does not list, and no template of its covers, can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unlisted {
    Readable,
    Closed,
}

impl View {
    /// `items` of each kind, each in the order of the configuration.
    pub(super) fn new(
        items: impl Fn(Primitive) -> Vec<Arc<Item>>,
        servers: impl Iterator<Item = (Arc<Server>, Unlisted)>,
    ) -> Self {
        let (mut in_order, mut members) = (Vec::new(), HashMap::new());
        for (server, unlisted) in servers {
            members.insert(server.name.clone(), unlisted);
            in_order.push(server);
        }
        let list = |primitive| Listing::new(items(primitive));
        Self {
            tools: list(Primitive::Tool),
            prompts: list(Primitive::Prompt),
            resources: list(Primitive::Resource),
            resource_templates: list(Primitive::ResourceTemplate),
            servers: in_order,
            members,
            templates: items(Primitive::ResourceTemplate),
        }
    }

    pub fn listing(&self, primitive: Primitive) -> &Listing {
        match primitive {
            Primitive::Tool => &self.tools,
            Primitive::Prompt => &self.prompts,
            Primitive::Resource => &self.resources,
            Primitive::ResourceTemplate => &self.resource_templates,
        }
    }

    /// Templates in the order of the configuration.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.templates.iter()
    }

    /// Whether the server has anything here; `None`: no.
    pub(super) fn unlisted(&self, server: &Server) -> Option<Unlisted> {
        self.members.get(&server.name).copied()
    }
}
