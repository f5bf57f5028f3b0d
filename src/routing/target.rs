//! Whom the `params` of a request name.

use std::sync::Arc;

use super::{Item, Primitive, Scope, Server, uri::MAX_URI};
use crate::mcp::{
    Rejection,
    scan::{Params, Text},
};

/// One server, and what it is asked for.
#[derive(Debug)]
pub(super) struct Target<'s, 'm> {
    pub(super) server: &'s Arc<Server>,
    /// Of a tool only.
    pub(super) item: Option<&'s Arc<Item>>,
    /// What the server knows: the end of what `text` says.
    pub(super) upstream: Arc<str>,
    /// The name or URI in the message.
    pub(super) text: &'m Text<'m>,
}

impl<'s, 'm> Target<'s, 'm> {
    /// `tools/call`
    pub(super) fn tool(scope: &Scope<'s>, params: &'m Params<'m>) -> Result<Self, Rejection> {
        let text = needed(params.name.as_ref(), "name")?;
        let unknown = || Rejection::UnknownTool { name: text.value.clone().into_owned() };
        let tool = scope.item(Primitive::Tool, &text.value).ok_or_else(unknown)?;
        Ok(Self { server: &tool.server, item: Some(tool), upstream: Arc::clone(&tool.upstream), text })
    }

    /// `prompts/get`
    pub(super) fn prompt(scope: &Scope<'s>, params: &'m Params<'m>) -> Result<Self, Rejection> {
        Self::of_prompt(scope, needed(params.name.as_ref(), "name")?)
    }

    /// `resources/read`, `resources/subscribe`, `resources/unsubscribe`
    pub(super) fn resource(scope: &Scope<'s>, params: &'m Params<'m>) -> Result<Self, Rejection> {
        let text = needed(params.uri.as_ref(), "uri")?;
        Self::of_uri(scope.resource(&text.value), text)
    }

    /// `completion/complete`
    pub(super) fn reference(scope: &Scope<'s>, params: &'m Params<'m>) -> Result<Self, Rejection> {
        let reference = needed(params.reference.as_ref(), "ref")?;
        match reference.kind.as_ref().map(|kind| &*kind.value) {
            Some("ref/prompt") => Self::of_prompt(scope, needed(reference.name.as_ref(), "ref.name")?),
            Some("ref/resource") => {
                let text = needed(reference.uri.as_ref(), "ref.uri")?;
                Self::of_uri(scope.template(&text.value), text)
            }
            Some(_) | None => {
                Err(Rejection::MissingParameter { name: "ref.type (ref/prompt or ref/resource)" })
            }
        }
    }

    fn of_prompt(scope: &Scope<'s>, text: &'m Text<'m>) -> Result<Self, Rejection> {
        let unknown = || Rejection::UnknownPrompt { name: text.value.clone().into_owned() };
        let prompt = scope.item(Primitive::Prompt, &text.value).ok_or_else(unknown)?;
        Ok(Self { server: &prompt.server, item: None, upstream: Arc::clone(&prompt.upstream), text })
    }

    fn of_uri(found: Option<(&'s Arc<Server>, &str)>, text: &'m Text<'m>) -> Result<Self, Rejection> {
        let unknown = || Rejection::UnknownResource { uri: text.value.clone().into_owned() };
        let (server, upstream) =
            found.filter(|(_, upstream)| upstream.len() <= MAX_URI).ok_or_else(unknown)?;
        Ok(Self { server, item: None, upstream: upstream.into(), text })
    }
}

fn needed<T>(given: Option<T>, name: &'static str) -> Result<T, Rejection> {
    given.ok_or(Rejection::MissingParameter { name })
}
