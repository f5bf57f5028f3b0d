//! One page of a list of a server, taken apart without copying.

use super::limits::max_items;
use crate::{
    mcp::{self, Method, Span},
    routing::Primitive,
};

/// A page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Where each item stands in the body.
    pub(super) items: Vec<Span>,
    /// To ask for the next page; absent on the last one.
    pub(super) next: Option<String>,
}

/// The method that lists items of that kind.
pub(super) const fn method(primitive: Primitive) -> Method {
    match primitive {
        Primitive::Tool => Method::ToolsList,
        Primitive::Prompt => Method::PromptsList,
        Primitive::Resource => Method::ResourcesList,
        Primitive::ResourceTemplate => Method::ResourceTemplatesList,
    }
}

/// Reads the `result` that stands at `result` in `body`.
///
/// An empty or `null` `nextCursor` ends the list: servers write it where they mean none.
pub(super) fn read(primitive: Primitive, body: &[u8], result: Span) -> Result<Page, String> {
    let (what, key, most) = (method(primitive).as_str(), primitive.member(), max_items(primitive));
    let of_result = |error: mcp::ScanError<'_>| format!("the result of {what}: {}", error.fault);
    let members = mcp::members(result.of(body)).map_err(of_result)?;
    let member = |name| members.iter().find(|(key, _)| key == name).map(|(_, span)| *span);
    let items = member(key).ok_or_else(|| format!("the result of {what} has no `{key}`"))?;
    let list = items.of(result.of(body));
    if !list.starts_with(b"[") {
        return Err(format!("the `{key}` of {what} are not an array"));
    }
    let elements = mcp::elements(list, most).map_err(|error| {
        if error.fault == mcp::Fault::TooManyElements {
            return format!("the list has more than {most} {key}");
        }
        format!("the `{key}` of {what}: {}", error.fault)
    })?;
    let offset = result.start + items.start;
    let items =
        elements.iter().map(|span| Span { start: offset + span.start, end: offset + span.end }).collect();
    let next = match member("nextCursor") {
        None => None,
        Some(span) => serde_json::from_slice::<Option<String>>(span.of(result.of(body)))
            .map_err(|_not_text| "`nextCursor` is not a string")?
            .filter(|cursor| !cursor.is_empty()),
    };
    Ok(Page { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::limits::MAX_TOOLS;

    fn page(body: &str) -> Result<(Vec<&str>, Option<String>), String> {
        let message = mcp::scan(body.as_bytes()).unwrap();
        let page = read(Primitive::Tool, body.as_bytes(), message.outcome.unwrap())?;
        Ok((
            page.items.iter().map(|span| std::str::from_utf8(span.of(body.as_bytes())).unwrap()).collect(),
            page.next,
        ))
    }

    #[test]
    fn tools_are_found_as_they_stand() {
        let body =
            r#"{"jsonrpc":"2.0","id":1,"result": {"nextCursor":"a\"b", "tools" : [ {"name":"é"} ,7,[] ]}}"#;
        assert_eq!(page(body), Ok((vec![r#"{"name":"é"}"#, "7", "[]"], Some("a\"b".to_owned()))));
    }

    #[test]
    fn an_empty_cursor_ends_the_list() {
        for cursor in [r#","nextCursor":null"#, r#","nextCursor":"""#, ""] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[]{cursor}}}}}"#);
            assert_eq!(page(&body), Ok((vec![], None)), "{cursor}");
        }
    }

    #[test]
    fn a_result_of_another_shape_is_refused() {
        for (result, expected) in [
            ("[]", "not a JSON object"),
            ("{}", "has no `tools`"),
            (r#"{"tools":{}}"#, "not an array"),
            (r#"{"tools":[],"tools":[]}"#, "repeated"),
            (r#"{"tools":[],"nextCursor":1}"#, "not a string"),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            assert!(page(&body).unwrap_err().contains(expected), "{result}: {:?}", page(&body));
        }
        let many =
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}1]}}}}"#, "1,".repeat(MAX_TOOLS));
        assert!(page(&many).unwrap_err().contains("more than 5000"));
    }

    #[test]
    fn each_list_has_its_own_member_and_limit() {
        for (primitive, member, most) in [
            (Primitive::Tool, "tools", 5_000),
            (Primitive::Prompt, "prompts", 5_000),
            (Primitive::Resource, "resources", 10_000),
            (Primitive::ResourceTemplate, "resourceTemplates", 1_000),
        ] {
            let read = |count: usize| {
                let items = vec!["1"; count].join(",");
                let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[{items}]}}}}"#);
                let result = mcp::scan(body.as_bytes()).unwrap().outcome.unwrap();
                read(primitive, body.as_bytes(), result).map(|page| page.items.len())
            };
            assert_eq!(read(most), Ok(most));
            assert_eq!(read(most + 1), Err(format!("the list has more than {most} {member}")));
        }
    }
}
