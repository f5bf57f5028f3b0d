//! Names of the headers the gateway reads and sets, and safe values for them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Rejection;

// Streamable HTTP
pub const SESSION_ID: &str = "mcp-session-id";
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub const MCP_METHOD: &str = "mcp-method";
pub const MCP_NAME: &str = "mcp-name";
pub const LAST_EVENT_ID: &str = "last-event-id";
// set for policy engines
pub const X_MCP_METHOD: &str = "x-mcp-method";
pub const X_MCP_TOOLNAME: &str = "x-mcp-toolname";
pub const X_MCP_PROMPTNAME: &str = "x-mcp-promptname";
pub const X_MCP_RESOURCEURI: &str = "x-mcp-resourceuri";
pub const X_MCP_SERVERNAME: &str = "x-mcp-servername";
pub const X_MCP_ANNOTATION_HINTS: &str = "x-mcp-annotation-hints";
// the credential, and what filters after the router add
pub const X_MCP_API_KEY: &str = "x-mcp-api-key";
pub const X_MCP_VIRTUALSERVER: &str = "x-mcp-virtualserver";
// sealed by the gateway for itself
/// The gateway's right to open a server session through Envoy.
pub const X_MCP_HAIRPIN: &str = "x-mcp-hairpin";
/// What the router tells the broker.
pub const X_MCP_ROUTED: &str = "x-mcp-routed";
/// On Envoy's own refusal of a request for a server's host that the router has not turned there; the value says no more.
pub const X_MCP_GUARD: &str = "x-mcp-guard";
/// Makes a request a probe of the gateway's own; in the response, what has answered it.
pub const X_MCP_PROBE: &str = "x-mcp-probe";

/// The value of [`X_MCP_SERVERNAME`] where the broker answers.
pub const BROKER: &str = "mcpBroker";

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// Whether a header is of the gateway's own namespace, and so removed from what clients send.
///
/// In any case, and with `_` for `-`: some servers read the two as one.
pub fn is_internal(name: &str) -> bool {
    let mut bytes = name.bytes().map(|byte| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() });
    b"x-mcp-".iter().all(|&expected| bytes.next() == Some(expected))
}

/// A text that clients or servers choose, as a header value (2026-07-28, transports, value encoding).
///
/// Plain where it is printable ASCII with no blank at either end; else, and where it looks encoded already,
/// `=?base64?...?=`. The length is not bounded here.
pub fn value(text: &str) -> Cow<'_, str> {
    let printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
    let blank = text.starts_with(' ') || text.ends_with(' ');
    let encoded = text.starts_with(SENTINEL_START) && text.ends_with(SENTINEL_END);
    if printable && !blank && !encoded {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{SENTINEL_START}{}{SENTINEL_END}", BASE64.encode(text)))
}

/// What a header value says: blanks around it dropped, the form [`value`] gives it undone.
///
/// None where it is encoded, but not base64 (with padding) of UTF-8.
pub fn decode(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    let encoded = value.strip_prefix(SENTINEL_START).and_then(|rest| rest.strip_suffix(SENTINEL_END));
    match encoded {
        None => Some(Cow::Borrowed(value)),
        Some(encoded) => String::from_utf8(BASE64.decode(encoded).ok()?).ok().map(Cow::Owned),
    }
}

/// Whether a `content-type` is exactly `media` (lower case, `type/subtype`).
///
/// Parameters are ignored, but a `charset` must be UTF-8. Several values joined by a comma are no media type.
pub fn media_type_is(content_type: &[u8], media: &str) -> bool {
    if content_type == media.as_bytes() {
        return true; // as nearly all are sent
    }
    let Ok(content_type) = str::from_utf8(content_type) else { return false };
    let mut parts = split(content_type, ';');
    let exact = parts.next().is_some_and(|name| name.trim_matches(BLANK).eq_ignore_ascii_case(media));
    exact
        && split(content_type, ',').count() == 1
        && parts.filter_map(parameter).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// Refuses, by its header fields alone, a body that cannot be a message: not JSON, encoded, or longer than `limit`
/// bytes. `single` gives the value of a field that may stand once; `length` is `content-length`.
pub fn check_body<'v>(
    single: impl Fn(&'static str) -> Result<Option<&'v [u8]>, Rejection>,
    length: Option<&str>,
    limit: usize,
) -> Result<(), Rejection> {
    if !media_type_is(single("content-type")?.unwrap_or_default(), "application/json") {
        return Err(Rejection::ContentType);
    }
    if !single("content-encoding")?.unwrap_or(b"identity").eq_ignore_ascii_case(b"identity") {
        return Err(Rejection::ContentEncoding);
    }
    match length.and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > limit => Err(Rejection::BodyTooLarge { limit: limit as u64 }),
        Some(_) | None => Ok(()),
    }
}

/// Whether an `accept` header (RFC 9110 section 12.5.1) takes `media`: by its name, `type/*` or `*/*`, of which the
/// closest counts, unless its `q` is 0. A value that is empty or no text accepts nothing.
pub fn accepts(accept: &[u8], media: &str) -> bool {
    let Ok(accept) = str::from_utf8(accept) else { return false };
    let kind = media.split_once('/').map_or(media, |(kind, _)| kind);
    let mut closest = (0, false);
    for range in split(accept, ',') {
        let mut parts = split(range, ';');
        let name = parts.next().unwrap_or_default().trim_matches(BLANK);
        let rank = match name.split_once('/') {
            Some(_) if name.eq_ignore_ascii_case(media) => 3,
            Some((of, "*")) if of.eq_ignore_ascii_case(kind) => 2,
            Some(("*", "*")) => 1,
            Some(_) | None => continue,
        };
        let refused =
            parts.filter_map(parameter).any(|(name, value)| name.eq_ignore_ascii_case("q") && is_zero(value));
        if rank > closest.0 {
            closest = (rank, !refused);
        } else if rank == closest.0 {
            closest.1 |= !refused;
        }
    }
    closest.1
}

/// Optional white space of HTTP fields.
const BLANK: [char; 2] = [' ', '\t'];

/// A quality of nothing: `0`, `0.`, `0.000`.
fn is_zero(quality: &str) -> bool {
    quality.starts_with('0') && quality.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

fn parameter(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once('=')?;
    Some((name.trim_matches(BLANK), value.trim_matches(BLANK)))
}

/// The parts of a field value between separators that stand outside quoted strings.
fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |letter| {
        let end = letter == separator && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        end
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn internal_headers_are_known_in_any_spelling() {
        for name in ["x-mcp-", "x-mcp-toolname", "X-MCP-Routed", "x_mcp_routed", "X_mcp-x", X_MCP_HAIRPIN] {
            assert!(is_internal(name), "{name}");
        }
        for name in ["x-mcp", "mcp-session-id", "xx-mcp-a", "x-mc", "", " x-mcp-a", "mcp-name"] {
            assert!(!is_internal(name), "{name}");
        }
    }

    #[test]
    fn a_text_that_no_header_can_carry_is_encoded() {
        for (text, header) in [
            ("get_me", "get_me"),
            ("two words", "two words"),
            ("", ""),
            (" x", "=?base64?IHg=?="),
            ("x ", "=?base64?eCA=?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
            ("\t", "=?base64?CQ==?="),
            ("é", "=?base64?w6k=?="),
            ("=?base64?eCA=?=", "=?base64?PT9iYXNlNjQ/ZUNBPT89?="),
            ("=?BASE64?eCA=?=", "=?BASE64?eCA=?="),
        ] {
            assert_eq!(value(text), header);
            assert_eq!(decode(header).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_broken_encoding_is_no_value() {
        for header in ["=?base64?eCA?=", "=?base64?e*==?=", "=?base64?/w==?=", "=?base64?e CA=?="] {
            assert_eq!(decode(header), None, "{header}");
        }
        for literal in ["=?base64?eCA=", "eCA=?=", "=?base64?="] {
            assert_eq!(decode(literal).as_deref(), Some(literal));
        }
        assert_eq!(decode(" \tx\t ").as_deref(), Some("x"));
    }

    #[test]
    fn a_content_type_is_compared_as_a_media_type() {
        for (content_type, is_json) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json;charset=utf-8", true),
            ("application/json ; Charset=\"UTF-8\"", true),
            ("application/json; profile=\"a;b,c\\\"d\"", true),
            (r#"application/json; profile="\"; charset=latin1""#, true),
            (r#"application/json; profile="\\"; charset=latin1"#, false),
            ("application/json;", true),
            ("application/json; charset=latin1", false),
            ("application/json; charset=utf-8; charset=utf-16", false),
            ("application/json; charset=utf-8, text/plain", false),
            ("application/json, text/plain", false),
            ("application/jsonx", false),
            ("application/json+x", false),
            ("text/plain;application/json", false),
            ("", false),
        ] {
            assert_eq!(media_type_is(content_type.as_bytes(), "application/json"), is_json, "{content_type}");
        }
        assert!(!media_type_is(b"application/json\xFF", "application/json"));
    }

    #[test]
    fn the_closest_range_of_accept_counts() {
        for (accept, taken) in [
            ("application/json", true),
            ("application/json, text/event-stream", true),
            ("text/event-stream , APPLICATION/json;q=0.1", true),
            ("*/*", true),
            ("application/*;q=0.5", true),
            ("*/*;q=0", false),
            ("application/json;q=0, */*", false),
            ("*/*, application/json;Q=0.000", false),
            ("application/*;q=0, application/json", true),
            ("application/json;q=0, application/json", true),
            ("application/json, application/json;q=0", true),
            ("text/event-stream", false),
            ("text/plain;x=\"a,*/*\"", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(accepts(accept.as_bytes(), "application/json"), taken, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_a_header(text: String) {
            let header = value(&text);
            prop_assert!(header.bytes().all(|byte| matches!(byte, 0x20..=0x7E)));
            prop_assert_eq!(&*decode(&header).unwrap(), &*text);
        }

        #[test]
        fn field_values_of_any_bytes_are_judged(bytes: Vec<u8>, text in "[a-z*/;,=\"\\\\ q0.]{0,40}") {
            for value in [&bytes[..], text.as_bytes()] {
                let _: (bool, bool) = (media_type_is(value, "a/b"), accepts(value, "a/b"));
            }
            decode(&text);
        }
    }
}
