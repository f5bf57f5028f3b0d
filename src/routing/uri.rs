//! URIs of servers that clients see: as the server wrote them, or in a form that names the server.
//!
//! A URI keeps its identity where an unprefixed read of it leads back to its server. Where it would not, clients see
//! `mcp-gateway://NAMESPACE/NAME/` and the original after it, nothing encoded: whoever takes the start off has the
//! original again, and a template stays a template. A server without a namespace has an empty one
//! (`mcp-gateway:///NAME/`). The scheme is the gateway's own: what a server calls so itself is always put into the
//! prefix form, so that no server can speak for another.

use super::ObjectName;

/// How every URI in prefix form begins.
pub const GATEWAY_URI: &str = "mcp-gateway://";

/// Longest URI that is routed, in bytes, without the prefix form's start: it stands in a header for policies.
pub const MAX_URI: usize = 8 << 10;

/// `uri`, or a template, of `server` in prefix form.
pub fn prefixed(server: &ObjectName, uri: &str) -> String {
    let server = server.as_str();
    let no_namespace = if server.contains('/') { "" } else { "/" };
    [GATEWAY_URI, no_namespace, server, "/", uri].concat()
}

/// The server that a URI in prefix form names, and the URI that this server knows; `None`: it is in no such form.
/// Whether there is such a server is not known here.
pub fn split(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix(GATEWAY_URI)?;
    let (namespace, after) = rest.split_once('/')?;
    let (name, original) = after.split_once('/')?;
    let server = if namespace.is_empty() { name } else { rest.get(..namespace.len() + 1 + name.len())? };
    Some((server, original))
}

/// Whether the scheme is the gateway's own, in any case: schemes have none (RFC 3986 section 3.1).
pub fn is_reserved(uri: &str) -> bool {
    has_scheme(uri, "mcp-gateway")
}

/// Whether a server that normalises `uri` would read another one: it has a segment `..`, however it is encoded.
pub(super) fn climbs(uri: &str) -> bool {
    let plain = uri.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    plain.split(['/', '\\', '?', '#']).any(|segment| segment == "..")
}

/// Whether a client may well fetch it from the web itself (2025-11-25, resources, common URI schemes).
pub(super) fn is_web(uri: &str) -> bool {
    has_scheme(uri, "http") || has_scheme(uri, "https")
}

fn has_scheme(uri: &str, scheme: &str) -> bool {
    uri.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_in_prefix_form_names_its_server() {
        for (server, uri, form) in [
            ("a/b", "file:///x", "mcp-gateway://a/b/file:///x"),
            ("b", "file:///x", "mcp-gateway:///b/file:///x"),
            ("a/b", "", "mcp-gateway://a/b/"),
            ("a/b", "mcp-gateway://c/d/e", "mcp-gateway://a/b/mcp-gateway://c/d/e"),
        ] {
            assert_eq!(prefixed(&ObjectName::parse(server).unwrap(), uri), form);
            assert_eq!(split(form), Some((server, uri)));
        }
        for other in
            ["", "file:///x", "mcp-gateway:", "mcp-gateway://a", "mcp-gateway://a/b", "MCP-GATEWAY://a/b/c"]
        {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn schemes_are_compared_in_any_case() {
        assert!(is_reserved("MCP-Gateway:x") && is_web("HTTPS://x") && is_web("http:x"));
        assert!(!is_reserved("mcp-gateway") && !is_reserved("mcp-gateways://") && !is_web("file:http:"));
    }

    proptest! {
        #[test]
        fn the_prefix_form_is_reversible(server in "([a-z0-9.-]{0,8}[a-z0-9]/)?[a-z0-9]{1,8}", uri: String) {
            let Ok(server) = ObjectName::parse(&server) else { return Ok(()) };
            let form = prefixed(&server, &uri);
            prop_assert!(is_reserved(&form));
            prop_assert_eq!(split(&form), Some((server.as_str(), &*uri)));
        }
    }
}
