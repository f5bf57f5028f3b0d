//! A tool.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Known,
    schema::{Icon, Object, present},
};
use crate::{broker::limits::MAX_NAME_BYTES, routing::Prefix};

/// Checks an element of `tools` (2025-11-25, schema, `Tool`).
pub(super) fn check<'a>(json: &'a [u8], prefix: &Prefix) -> Result<Known<'a>, String> {
    let tool: Tool<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    check_name(&tool.name, prefix)?;
    for (member, schema) in
        [("inputSchema", Some(&tool.input_schema)), ("outputSchema", tool.output_schema.as_ref())]
    {
        if schema.is_some_and(|schema| schema.kind != "object") {
            return Err(format!("{member} must be of type \"object\""));
        }
    }
    Ok(Known { name: tool.name, hints: tool.annotations.map(|annotations| annotations.hints().into()) })
}

fn check_name(name: &str, prefix: &Prefix) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    if name.is_empty() {
        return Err("name is empty".to_owned());
    }
    if !name.bytes().all(allowed) {
        return Err("name must be of ASCII letters, digits, `_`, `-`, `.` and `/`".to_owned());
    }
    if prefix.as_str().len() + name.len() > MAX_NAME_BYTES {
        return Err(format!("name with its prefix is longer than {MAX_NAME_BYTES} bytes"));
    }
    Ok(())
}

/// The members of `Tool` that have a type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Tool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    input_schema: Schema,
    #[serde(default, deserialize_with = "present")]
    output_schema: Option<Schema>,
    #[serde(default, deserialize_with = "present")]
    annotations: Option<Annotations>,
    #[serde(default, deserialize_with = "present")]
    execution: Option<Object<IgnoredAny>>,
    #[serde(default, deserialize_with = "present")]
    icons: Option<Vec<Icon>>,
    #[serde(default, rename = "_meta", deserialize_with = "present")]
    meta: Option<Object<IgnoredAny>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Schema {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "present")]
    properties: Option<Object<Object<IgnoredAny>>>,
    #[serde(default, deserialize_with = "present")]
    required: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Annotations {
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    read_only_hint: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    destructive_hint: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    idempotent_hint: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    open_world_hint: Option<bool>,
}

impl Annotations {
    /// The value of `x-mcp-annotation-hints`.
    fn hints(&self) -> String {
        let hint =
            |hint: Option<bool>| hint.map_or("unspecified", |hint| if hint { "true" } else { "false" });
        format!(
            "readOnly={},destructive={},idempotent={},openWorld={}",
            hint(self.read_only_hint),
            hint(self.destructive_hint),
            hint(self.idempotent_hint),
            hint(self.open_world_hint)
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        broker::{
            item::{read as read_item, read_all as read_items},
            limits::MAX_ITEM_BYTES,
        },
        routing::{DiscoveredItem, Prefix, Primitive, RejectedItem},
    };

    fn read(json: &[u8], prefix: &Prefix) -> Result<DiscoveredItem, RejectedItem> {
        read_item(Primitive::Tool, json, prefix)
    }

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    fn reason(json: &str) -> String {
        read(json.as_bytes(), &prefix("a_")).unwrap_err().reason
    }

    #[test]
    fn a_tool_is_kept_byte_for_byte_and_its_name_is_found() {
        let json = "{ \"x\":1.00, \"na\\u006de\" :  \"get\\u005fme\",\n\"inputSchema\":{\"type\":\"object\"},\"new\":[null]}";
        let tool = read(json.as_bytes(), &prefix("")).unwrap();
        assert_eq!(&*tool.name, "get_me");
        assert_eq!(tool.json, json.as_bytes());
        assert_eq!(tool.name_span.of(&tool.json), br#""get\u005fme""#);
        assert_eq!(tool.hints, None);
    }

    #[test]
    fn hints_say_what_is_unspecified() {
        let json = r#"{"name":"t","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true,"destructiveHint":false}}"#;
        let hints = read(json.as_bytes(), &prefix("")).unwrap().hints.unwrap();
        assert_eq!(&*hints, "readOnly=true,destructive=false,idempotent=unspecified,openWorld=unspecified");
    }

    #[test]
    fn a_tool_that_breaks_the_schema_is_rejected_with_the_reason() {
        for (json, expected) in [
            (r#"{"inputSchema":{"type":"object"}}"#, "missing field `name`"),
            (r#"{"name":"","inputSchema":{"type":"object"}}"#, "name is empty"),
            (r#"{"name":"a b","inputSchema":{"type":"object"}}"#, "name must be of ASCII letters"),
            (r#"{"name":"a\r\nb","inputSchema":{"type":"object"}}"#, "name must be of ASCII letters"),
            (r#"{"name":"t"}"#, "missing field `inputSchema`"),
            (r#"{"name":"t","inputSchema":{}}"#, "missing field `type`"),
            (r#"{"name":"t","inputSchema":{"type":"string"}}"#, "inputSchema must be of type \"object\""),
            (r#"{"name":"t","inputSchema":{"type":["object"]}}"#, "invalid type: sequence"),
            (r#"{"name":"t","inputSchema":true}"#, "invalid type: boolean"),
            (r#"{"name":"t","inputSchema":{"type":"object","properties":{"a":true}}}"#, "expected an object"),
            (r#"{"name":"t","inputSchema":{"type":"object","required":[1]}}"#, "invalid type: integer"),
            (
                r#"{"name":"t","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#,
                "outputSchema must",
            ),
            (r#"{"name":"t","inputSchema":{"type":"object"},"description":null}"#, "invalid type: null"),
            (
                r#"{"name":"t","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":1}}"#,
                "invalid type: integer",
            ),
            (r#"{"name":"t","inputSchema":{"type":"object"},"_meta":[]}"#, "expected an object"),
            (r#"{"name":"t","name":"u","inputSchema":{"type":"object"}}"#, "repeated"),
            (r#"{"name":"t","n\u0061me":"u","inputSchema":{"type":"object"}}"#, "repeated"),
            (r#"{"name":"t","inputSchema":{"type":"object"},"description":"\ud800"}"#, "hex escape"),
            ("7", "not a JSON object"),
        ] {
            assert!(reason(json).contains(expected), "{json}: {}", reason(json));
        }
    }

    #[test]
    fn the_length_of_a_name_counts_its_prefix() {
        let named =
            |len: usize| format!(r#"{{"name":"{}","inputSchema":{{"type":"object"}}}}"#, "t".repeat(len));
        assert!(read(named(126).as_bytes(), &prefix("a_")).is_ok());
        assert!(reason(&named(127)).contains("longer than 128 bytes"));
    }

    #[test]
    fn a_giant_tool_is_rejected() {
        let json = format!(
            r#"{{"name":"t","inputSchema":{{"type":"object"}},"description":"{}"}}"#,
            "x".repeat(MAX_ITEM_BYTES)
        );
        assert_eq!(reason(&json), format!("is larger than {MAX_ITEM_BYTES} bytes"));
    }

    #[test]
    fn one_bad_tool_does_not_cost_the_others_and_a_repeated_name_counts_once() {
        let good = br#"{"name":"t","inputSchema":{"type":"object"}}"#.as_slice();
        let other = br#"{"name":"t","title":"other","inputSchema":{"type":"object"}}"#.as_slice();
        let (tools, rejected) = read_items(Primitive::Tool, [good, b"{}", other].into_iter(), &prefix(""));
        assert_eq!(tools.iter().map(|tool| &*tool.json).collect::<Vec<_>>(), [good]);
        assert_eq!(rejected.len(), 2);
        assert_eq!(
            (&*rejected[1].name, &*rejected[1].reason),
            ("t", "the server lists another tool of this name")
        );
    }
}
