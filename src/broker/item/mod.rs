//! One item of a server's list: checked on its own, so that a bad one never costs a client the whole list.

mod prompt;
mod resource;
mod schema;
mod tool;

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use bytes::Bytes;

use super::limits::MAX_ITEM_BYTES;
use crate::{
    mcp::{self, Span},
    routing::{DiscoveredItem, Prefix, Primitive, RejectedItem},
};

/// What a valid item is known by.
struct Known<'a> {
    /// `name`, `uri` or `uriTemplate`.
    name: Cow<'a, str>,
    /// For `x-mcp-annotation-hints`.
    hints: Option<Arc<str>>,
}

/// Reads one element of a list.
///
/// What the schema of 2025-11-25 says of its members must hold, since clients that check it refuse the whole list
/// for one bad item. Members it does not name are let through.
fn read(primitive: Primitive, json: &[u8], prefix: &Prefix) -> Result<DiscoveredItem, RejectedItem> {
    let rejected = |reason: String| rejected(primitive, json, &reason);
    if json.len() > MAX_ITEM_BYTES {
        return Err(rejected(format!("is larger than {MAX_ITEM_BYTES} bytes")));
    }
    let members = mcp::members(json).map_err(|error| rejected(error.fault.to_string()))?;
    let known = match primitive {
        Primitive::Tool => tool::check(json, prefix),
        Primitive::Prompt => prompt::check(json, prefix),
        Primitive::Resource => resource::check(json),
        Primitive::ResourceTemplate => resource::check_template(json),
    };
    let known = known.map_err(rejected)?;
    let name = members.iter().find(|(key, _)| key == known_by(primitive));
    Ok(DiscoveredItem {
        name: known.name.into(),
        json: Bytes::copy_from_slice(json),
        name_span: name.map_or(Span::default(), |(_, span)| *span),
        hints: known.hints,
    })
}

/// Reads a whole list, in order; of two items with one name the first one counts.
pub(super) fn read_all<'a>(
    primitive: Primitive,
    items: impl Iterator<Item = &'a [u8]>,
    prefix: &Prefix,
) -> (Vec<DiscoveredItem>, Vec<RejectedItem>) {
    let (mut good, mut bad) = (Vec::<DiscoveredItem>::new(), Vec::new());
    let mut names = HashSet::new();
    for json in items {
        match read(primitive, json, prefix) {
            Ok(item) if names.insert(Arc::clone(&item.name)) => good.push(item),
            Ok(_) => {
                let what = if primitive == Primitive::Tool { "tool" } else { "item" };
                bad.push(rejected(primitive, json, &format!("the server lists another {what} of this name")));
            }
            Err(item) => bad.push(item),
        }
    }
    good.shrink_to_fit();
    (good, bad)
}

/// `text` fit for a log line or a page: at most 200 characters, none of which controls anything.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(200).map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}

/// The member that clients repeat to name an item.
const fn known_by(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Tool | Primitive::Prompt => "name",
        Primitive::Resource => "uri",
        Primitive::ResourceTemplate => "uriTemplate",
    }
}

fn rejected(primitive: Primitive, json: &[u8], reason: &str) -> RejectedItem {
    let item = serde_json::from_slice::<serde_json::Value>(json).unwrap_or_default();
    let name = item.get(known_by(primitive)).and_then(serde_json::Value::as_str);
    RejectedItem { primitive, name: name.map(printable).unwrap_or_default(), reason: printable(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_server_is_short_and_controls_nothing() {
        let shown = printable(&"\u{1b}[31m\n".repeat(100));
        assert_eq!(shown.chars().count(), 200);
        assert!(!shown.contains(char::is_control));
    }
}
