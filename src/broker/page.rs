//! One page of a server's `tools/list`, taken apart without copying.

use super::limits::MAX_TOOLS;
use crate::mcp::{self, Span};

/// A page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Where each tool stands in the body.
    pub(super) tools: Vec<Span>,
    /// To ask for the next page; absent on the last one.
    pub(super) next: Option<String>,
}

/// Reads the `result` that stands at `result` in `body`.
///
/// An empty or `null` `nextCursor` ends the list: servers write it where they mean none.
pub(super) fn read(body: &[u8], result: Span) -> Result<Page, String> {
    let of_result = |error: mcp::ScanError<'_>| format!("the result of tools/list: {}", error.fault);
    let members = mcp::members(result.of(body)).map_err(of_result)?;
    let member = |name| members.iter().find(|(key, _)| key == name).map(|(_, span)| *span);
    let tools = member("tools").ok_or("the result of tools/list has no `tools`")?;
    let list = tools.of(result.of(body));
    if !list.starts_with(b"[") {
        return Err("the `tools` of tools/list are not an array".to_owned());
    }
    let elements = mcp::elements(list, MAX_TOOLS).map_err(|error| {
        if error.fault == mcp::Fault::TooManyElements {
            return format!("the list has more than {MAX_TOOLS} tools");
        }
        format!("the `tools` of tools/list: {}", error.fault)
    })?;
    let offset = result.start + tools.start;
    let tools =
        elements.iter().map(|span| Span { start: offset + span.start, end: offset + span.end }).collect();
    let next = match member("nextCursor") {
        None => None,
        Some(span) => serde_json::from_slice::<Option<String>>(span.of(result.of(body)))
            .map_err(|_not_text| "`nextCursor` is not a string")?
            .filter(|cursor| !cursor.is_empty()),
    };
    Ok(Page { tools, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Result<(Vec<&str>, Option<String>), String> {
        let message = mcp::scan(body.as_bytes()).unwrap();
        let page = read(body.as_bytes(), message.outcome.unwrap())?;
        Ok((
            page.tools.iter().map(|span| std::str::from_utf8(span.of(body.as_bytes())).unwrap()).collect(),
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
}
