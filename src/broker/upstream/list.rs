//! The lists of a server, page by page.

use std::collections::HashSet;

use super::{Answer, Connection, Upstream, UpstreamError, within};
use crate::{
    broker::{
        item,
        limits::{LIST_DEADLINE, MAX_LIST_BYTES, MAX_PAGES, max_items},
        page,
    },
    mcp::{ServerCapabilities, Span},
    routing::{DiscoveredItem, Primitive, RejectedItem},
};

/// A server's whole lists, checked.
#[derive(Debug, Default)]
pub(in crate::broker) struct Listed {
    pub(in crate::broker) tools: Vec<DiscoveredItem>,
    pub(in crate::broker) prompts: Vec<DiscoveredItem>,
    pub(in crate::broker) resources: Vec<DiscoveredItem>,
    pub(in crate::broker) resource_templates: Vec<DiscoveredItem>,
    pub(in crate::broker) rejected: Vec<RejectedItem>,
    /// Lists that could not be read, and why; never that of the tools.
    pub(in crate::broker) failed: Vec<(Primitive, UpstreamError)>,
}

impl Listed {
    pub(in crate::broker) fn items(&mut self, primitive: Primitive) -> &mut Vec<DiscoveredItem> {
        match primitive {
            Primitive::Tool => &mut self.tools,
            Primitive::Prompt => &mut self.prompts,
            Primitive::Resource => &mut self.resources,
            Primitive::ResourceTemplate => &mut self.resource_templates,
        }
    }
}

impl Upstream {
    /// All lists that the server offers. One that breaks a rule costs no other, unless it is that of the tools.
    ///
    /// Tools are asked for whatever capabilities the server announces: not all that have tools say so.
    pub(in crate::broker) async fn list(&self, connection: &Connection) -> Result<Listed, UpstreamError> {
        let mut listed = Listed::default();
        for primitive in Primitive::ALL {
            let needed = match primitive {
                Primitive::Tool => 0,
                Primitive::Prompt => ServerCapabilities::PROMPTS,
                Primitive::Resource | Primitive::ResourceTemplate => ServerCapabilities::RESOURCES,
            };
            if !connection.announced.capabilities.has(needed) {
                continue;
            }
            let pages = self.pages(connection, primitive);
            match within(in_words(primitive), LIST_DEADLINE, pages).await {
                Ok(Pages(pages)) => {
                    let items = pages.iter().flat_map(|(body, items)| items.iter().map(|span| span.of(body)));
                    let (good, mut bad) = item::read_all(primitive, items, &self.spec.prefix);
                    *listed.items(primitive) = good;
                    listed.rejected.append(&mut bad);
                }
                Err(error) if primitive != Primitive::Tool && error.is_of_one_list() => {
                    listed.failed.push((primitive, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    async fn pages(&self, connection: &Connection, primitive: Primitive) -> Result<Pages, UpstreamError> {
        let what = page::method(primitive).as_str();
        let (mut pages, mut seen, mut count, mut bytes) =
            (Vec::<(Vec<u8>, Vec<Span>)>::new(), HashSet::new(), 0, 0);
        let mut cursor = None;
        loop {
            let params = cursor.map_or_else(
                || serde_json::json!({}),
                |cursor: String| serde_json::json!({"cursor": cursor}),
            );
            let Answer { body, result } = match self.ask(Some(connection), what, &params).await {
                Ok((answer, _)) => answer,
                Err(UpstreamError::Refused { code: -32601, .. }) => break, // a server without such items
                Err(error) => return Err(error),
            };
            let page = page::read(primitive, &body, result)
                .map_err(|reason| UpstreamError::NotMcp { what, reason })?;
            count += page.items.len();
            bytes += body.len();
            let most = max_items(primitive);
            if count > most {
                return Err(UpstreamError::TooManyItems { most, what: primitive.member() });
            }
            if bytes > MAX_LIST_BYTES {
                return Err(UpstreamError::TooLarge { what, limit: MAX_LIST_BYTES });
            }
            pages.push((body, page.items));
            let Some(next) = page.next else { break };
            if pages.len() == MAX_PAGES {
                return Err(UpstreamError::TooManyPages(MAX_PAGES));
            }
            if !seen.insert(next.clone()) {
                return Err(UpstreamError::CursorLoop);
            }
            cursor = Some(next);
        }
        Ok(Pages(pages))
    }
}

/// The pages of a list, and where the items stand in each.
struct Pages(Vec<(Vec<u8>, Vec<Span>)>);

const fn in_words(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Tool => "listing all tools",
        Primitive::Prompt => "listing all prompts",
        Primitive::Resource => "listing all resources",
        Primitive::ResourceTemplate => "listing all resource templates",
    }
}
