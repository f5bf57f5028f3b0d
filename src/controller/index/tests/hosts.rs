//! Host names as Gateway API compares them.

use super::super::host::{ByHost, covers, intersection};

#[test]
fn a_wildcard_takes_one_label_or_more_in_any_letter_case() {
    for (pattern, host, takes) in [
        ("github.mcp.local", "github.mcp.local", true),
        ("github.mcp.local", "GitHub.MCP.local", true),
        ("github.mcp.local", "x.github.mcp.local", false),
        ("*.mcp.local", "github.mcp.local", true),
        ("*.mcp.local", "a.b.mcp.local", true),
        ("*.MCP.local", "github.mcp.LOCAL", true),
        ("*.mcp.local", "*.mcp.local", true),
        ("*.mcp.local", "*.a.mcp.local", true),
        ("*.mcp.local", "mcp.local", false),
        ("*.mcp.local", ".mcp.local", false),
        ("*.mcp.local", "githubmcp.local", false),
        ("*.mcp.local", "github.mcp.local.evil.com", false),
        ("*.a.mcp.local", "*.mcp.local", false),
        ("mcp.local", "evilmcp.local", false),
        ("*", "mcp.local", false),
        ("", "mcp.local", false),
        ("*.mcp.local", "", false),
        ("*.ü", "aü", false),
    ] {
        assert_eq!(covers(pattern, host), takes, "{pattern} {host}");
    }
}

#[test]
fn what_two_patterns_take_is_the_narrower_of_them() {
    for (one, other, both) in [
        ("*.mcp.local", "github.mcp.local", Some("github.mcp.local")),
        ("GitHub.mcp.local", "*.mcp.local", Some("github.mcp.local")),
        ("*.local", "*.mcp.local", Some("*.mcp.local")),
        ("a.mcp.local", "b.mcp.local", None),
        ("*.a.local", "*.b.local", None),
    ] {
        assert_eq!(intersection(one, other).as_deref(), both, "{one} {other}");
    }
}

#[test]
fn the_narrowest_host_is_found_first() {
    let names = ["*", "*.com", "*.example.com", "api.example.com", "*.api.example.com", "example.com"];
    let mut hosts = ByHost::default();
    for name in &names {
        hosts.add(name, name);
    }
    let found: Vec<&str> = hosts.get("API.example.com").into_iter().copied().collect();
    assert_eq!(found, ["api.example.com", "*.example.com", "*.com", "*"]);
}
