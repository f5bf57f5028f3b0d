//! What a server says of itself when it answers `initialize`.

use serde::Deserialize;

use super::{UpstreamError, not_mcp};
use crate::{
    broker::{item::printable, limits::MAX_INSTRUCTIONS},
    mcp::{Revision, ServerCapabilities},
};

/// What is kept of the `result` of `initialize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Announced {
    pub(in crate::broker) revision: Revision,
    pub(in crate::broker) capabilities: ServerCapabilities,
    /// At most [`MAX_INSTRUCTIONS`] bytes, without control characters but line feeds and tabs.
    pub(in crate::broker) instructions: Option<Box<str>>,
}

impl Announced {
    /// Reads the `result` of `initialize`.
    pub(super) fn read(result: &[u8]) -> Result<Self, UpstreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            protocol_version: Option<serde_json::Value>,
            instructions: Option<serde_json::Value>,
        }
        let what = "initialize";
        let answer: Answer = serde_json::from_slice(result)
            .map_err(|_unreadable| not_mcp(what, "its result cannot be read"))?;
        let Some(answered) = answer.protocol_version.as_ref().and_then(serde_json::Value::as_str) else {
            return Err(not_mcp(what, "its result has no `protocolVersion`"));
        };
        let revision =
            Revision::parse(answered).ok_or_else(|| UpstreamError::Revision(printable(answered)))?;
        let instructions = answer.instructions.as_ref().and_then(serde_json::Value::as_str);
        Ok(Self {
            revision,
            capabilities: ServerCapabilities::of(result),
            instructions: instructions.and_then(readable),
        })
    }
}

/// `instructions` as they may be shown; none where there is nothing to read.
fn readable(instructions: &str) -> Option<Box<str>> {
    let plain = |letter: char| {
        if letter.is_control() && !matches!(letter, '\n' | '\t') {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    let text: String = instructions.replace("\r\n", "\n").trim().chars().map(plain).collect();
    let cut = text.get(..text.floor_char_boundary(MAX_INSTRUCTIONS))?.trim_end();
    (!cut.is_empty()).then(|| cut.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instructions(text: &str) -> Option<Box<str>> {
        let result = serde_json::json!({"protocolVersion": "2025-11-25", "instructions": text});
        Announced::read(result.to_string().as_bytes()).unwrap().instructions
    }

    #[test]
    fn instructions_are_short_and_control_nothing() {
        assert_eq!(
            instructions(" Use a\r\n\tthen b.\u{1b}[31m\n").as_deref(),
            Some("Use a\n\tthen b.\u{FFFD}[31m")
        );
        assert_eq!(instructions(" \n"), None);
        let long = instructions(&format!("x{}", "é".repeat(MAX_INSTRUCTIONS))).unwrap();
        assert_eq!(long.len(), MAX_INSTRUCTIONS - 1);
        assert!(long.ends_with('é'));
        let controls = instructions(&format!("x{}", "\u{7}".repeat(MAX_INSTRUCTIONS))).unwrap();
        assert!(controls.len() <= MAX_INSTRUCTIONS);
    }

    #[test]
    fn what_is_not_understood_is_not_announced() {
        let read = |result: &str| Announced::read(result.as_bytes());
        let odd = read(r#"{"protocolVersion":"2025-11-25","capabilities":7,"instructions":["x"]}"#).unwrap();
        assert_eq!((odd.capabilities, odd.instructions), (ServerCapabilities::default(), None));
        let some = r#"{"protocolVersion":"2025-06-18","capabilities":{"prompts":{},"resources":{"subscribe":true}}}"#;
        let some = read(some).unwrap();
        assert!(some.capabilities.has(ServerCapabilities::PROMPTS | ServerCapabilities::RESOURCES_SUBSCRIBE));
        assert!(!some.capabilities.has(ServerCapabilities::TOOLS));
        for refused in ["7", "{}", r#"{"protocolVersion":1}"#, r#"{"protocolVersion":"2024-11-05"}"#] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
