//! A resource, and a template of resources.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Known,
    schema::{Annotations, Icon, Object, present},
};
use crate::broker::limits::MAX_URI_BYTES;

/// Checks an element of `resources` (2025-11-25, schema, `Resource`).
pub(super) fn check(json: &[u8]) -> Result<Known<'_>, String> {
    let resource: Resource<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    check_uri("uri", &resource.uri)?;
    Ok(Known { name: resource.uri, hints: None })
}

/// Checks an element of `resourceTemplates` (2025-11-25, schema, `ResourceTemplate`).
pub(super) fn check_template(json: &[u8]) -> Result<Known<'_>, String> {
    let template: Template<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    check_uri("uriTemplate", &template.uri)?;
    if !has_balanced_braces(&template.uri) {
        return Err("uriTemplate has braces that do not belong together".to_owned());
    }
    Ok(Known { name: template.uri, hints: None })
}

/// What is repeated in requests and header fields; whether it is a URI is left to those who use it.
fn check_uri(member: &str, uri: &str) -> Result<(), String> {
    if uri.trim().is_empty() {
        return Err(format!("{member} is empty"));
    }
    if uri.contains(char::is_control) {
        return Err(format!("{member} must not hold control characters"));
    }
    if uri.len() > MAX_URI_BYTES {
        return Err(format!("{member} is longer than {MAX_URI_BYTES} bytes"));
    }
    Ok(())
}

/// Whether every brace has its other one, and none stands within another (RFC 6570 section 2).
fn has_balanced_braces(template: &str) -> bool {
    let mut is_open = false;
    for byte in template.bytes().filter(|byte| matches!(byte, b'{' | b'}')) {
        if is_open == (byte == b'{') {
            return false;
        }
        is_open = !is_open;
    }
    !is_open
}

/// The members of `Resource` that have a type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Resource<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
    name: String,
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    mime_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    size: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    annotations: Option<Annotations>,
    #[serde(default, deserialize_with = "present")]
    icons: Option<Vec<Icon>>,
    #[serde(default, rename = "_meta", deserialize_with = "present")]
    meta: Option<Object<IgnoredAny>>,
}

/// The members of `ResourceTemplate` that have a type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Template<'a> {
    #[serde(borrow, rename = "uriTemplate")]
    uri: Cow<'a, str>,
    name: String,
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    mime_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    annotations: Option<Annotations>,
    #[serde(default, deserialize_with = "present")]
    icons: Option<Vec<Icon>>,
    #[serde(default, rename = "_meta", deserialize_with = "present")]
    meta: Option<Object<IgnoredAny>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        broker::item::read,
        routing::{Prefix, Primitive},
    };

    #[test]
    fn a_resource_is_known_by_its_uri() {
        let json = r#"{"name":"a","uri":"file:///a b","size":1.0,"annotations":{"audience":["user"],"priority":0.5},"new":[]}"#;
        let resource = read(Primitive::Resource, json.as_bytes(), &Prefix::default()).unwrap();
        assert_eq!(
            (&*resource.name, resource.name_span.of(&resource.json)),
            ("file:///a b", &br#""file:///a b""#[..])
        );
    }

    #[test]
    fn what_breaks_the_schema_is_rejected_with_the_reason() {
        let long = format!(r#"{{"name":"n","uri":"{}"}}"#, "u".repeat(MAX_URI_BYTES + 1));
        for (json, expected) in [
            (r#"{"uri":"a:b"}"#, "missing field `name`"),
            (r#"{"name":"n"}"#, "missing field `uri`"),
            (r#"{"name":"n","uri":""}"#, "uri is empty"),
            (r#"{"name":"n","uri":"a:\u0000"}"#, "uri must not hold control characters"),
            (long.as_str(), "longer than 2048 bytes"),
            (r#"{"name":"n","uri":"a:b","mimeType":7}"#, "invalid type: integer"),
            (r#"{"name":"n","uri":"a:b","size":"7"}"#, "invalid type: string"),
            (r#"{"name":"n","uri":"a:b","annotations":{"audience":["all"]}}"#, "unknown variant"),
            (r#"{"name":"n","uri":"a:b","uri":"c:d"}"#, "repeated"),
        ] {
            let rejected = read(Primitive::Resource, json.as_bytes(), &Prefix::default()).unwrap_err();
            assert_eq!(rejected.primitive, Primitive::Resource);
            assert!(rejected.reason.contains(expected), "{json}: {}", rejected.reason);
        }
    }

    #[test]
    fn a_template_has_braces_that_belong_together() {
        for (template, is_good) in [
            ("a:{b}/{+c*}", true),
            ("a:b", true),
            ("a:{b", false),
            ("a:b}", false),
            ("a:{b{c}}", false),
            ("a:}b{", false),
        ] {
            let json = format!(r#"{{"name":"n","uriTemplate":"{template}"}}"#);
            let read = read(Primitive::ResourceTemplate, json.as_bytes(), &Prefix::default());
            assert_eq!(read.is_ok(), is_good, "{template}");
        }
    }
}
