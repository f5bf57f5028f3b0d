//! A prompt.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Known,
    schema::{Icon, Object, present},
};
use crate::{broker::limits::MAX_NAME_BYTES, routing::Prefix};

/// Checks an element of `prompts` (2025-11-25, schema, `Prompt`). MCP says nothing of the letters in a prompt's name:
/// it may be what a person reads.
pub(super) fn check<'a>(json: &'a [u8], prefix: &Prefix) -> Result<Known<'a>, String> {
    let prompt: Prompt<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let name = &*prompt.name;
    if name.trim().is_empty() {
        return Err("name is empty".to_owned());
    }
    if name.contains(char::is_control) {
        return Err("name must not hold control characters".to_owned());
    }
    if prefix.as_str().len() + name.len() > MAX_NAME_BYTES {
        return Err(format!("name with its prefix is longer than {MAX_NAME_BYTES} bytes"));
    }
    Ok(Known { name: prompt.name, hints: None })
}

/// The members of `Prompt` that have a type.
#[derive(Deserialize)]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Prompt<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    arguments: Option<Vec<Argument>>,
    #[serde(default, deserialize_with = "present")]
    icons: Option<Vec<Icon>>,
    #[serde(default, rename = "_meta", deserialize_with = "present")]
    meta: Option<Object<IgnoredAny>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "members that are not read are checked")]
struct Argument {
    name: String,
    #[serde(default, deserialize_with = "present")]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    required: Option<bool>,
}

#[cfg(test)]
mod tests {
    use crate::{
        broker::item::read,
        routing::{Prefix, Primitive},
    };

    #[test]
    fn a_prompts_name_is_free_text() {
        for name in ["review", "Review the café", "合評", "a:b"] {
            let json = format!(r#"{{"name":"{name}","arguments":[{{"name":"x","required":true}}],"new":1}}"#);
            let prompt = read(Primitive::Prompt, json.as_bytes(), &Prefix::parse("a_").unwrap()).unwrap();
            assert_eq!(
                (&*prompt.name, prompt.name_span.of(&prompt.json)),
                (name, format!("\"{name}\"").as_bytes())
            );
        }
    }

    #[test]
    fn a_prompt_that_breaks_the_schema_is_rejected_with_the_reason() {
        let long = format!(r#"{{"name":"{}"}}"#, "n".repeat(127));
        for (json, expected) in [
            ("{}", "missing field `name`"),
            (r#"{"name":" "}"#, "name is empty"),
            (r#"{"name":"a\nb"}"#, "control characters"),
            (long.as_str(), "longer than 128 bytes"),
            (r#"{"name":"p","description":null}"#, "invalid type: null"),
            (r#"{"name":"p","arguments":{}}"#, "invalid type: map"),
            (r#"{"name":"p","arguments":[{}]}"#, "missing field `name`"),
            (r#"{"name":"p","arguments":[{"name":"a","required":"yes"}]}"#, "invalid type: string"),
            (r#"{"name":"p","name":"q"}"#, "repeated"),
        ] {
            let rejected =
                read(Primitive::Prompt, json.as_bytes(), &Prefix::parse("a_").unwrap()).unwrap_err();
            assert_eq!(rejected.primitive, Primitive::Prompt);
            assert!(rejected.reason.contains(expected), "{json}: {}", rejected.reason);
        }
    }
}
