//! A small gateway for tests: two servers, three tools, one virtual server.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::SecretString;
use url::Url;

use super::{
    Authority, CallCredential, Catalogue, Discovered, DiscoveredItem, Limits, ObjectName, Origin, Prefix,
    Primitive, ServerSpec, Snapshot, Spec, Timeouts, VirtualServerSpec, compile,
};
use crate::mcp::{Revision, Span, members};

/// `mcp-test/github` (prefix, sessions, credential) and `mcp-test/time` (no prefix, no sessions).
pub(crate) fn spec() -> Spec {
    Spec {
        public_hosts: vec![Authority::parse("mcp.example.com").unwrap()],
        allowed_origins: vec![Origin::parse("https://app.example.com").unwrap()],
        servers: vec![
            ServerSpec {
                prefix: Prefix::parse("github_").unwrap(),
                credential: Some(SecretString::from("Bearer hunter2")),
                ..server("mcp-test/github", "github.mcp.local", "https://api.example.com/mcp/?v=1")
            },
            server("mcp-test/time", "time.mcp.local", "http://127.0.0.1:9/mcp"),
        ],
        virtual_servers: vec![VirtualServerSpec {
            name: ObjectName::parse("mcp-test/readers").unwrap(),
            tools: vec!["github_get_me".to_owned()],
            prompts: None,
            resources: None,
        }],
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits { body: 4096, page: 0 },
    }
}

pub(crate) fn server(name: &str, hostname: &str, url: &str) -> ServerSpec {
    ServerSpec {
        name: ObjectName::parse(name).unwrap(),
        url: Url::parse(url).unwrap(),
        hostname: Authority::parse(hostname).unwrap(),
        prefix: Prefix::default(),
        credential: None,
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts::default(),
    }
}

pub(crate) fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (name, issues_sessions, tools) in [
        ("mcp-test/github", true, vec![tool("get_me", Some("readOnly=true")), tool("create_issue", None)]),
        ("mcp-test/time", false, vec![tool("now", None)]),
    ] {
        catalogue
            .servers
            .insert(ObjectName::parse(name).unwrap(), Arc::new(discovered(issues_sessions, tools)));
    }
    catalogue
}

pub(crate) fn discovered(issues_sessions: bool, tools: Vec<DiscoveredItem>) -> Discovered {
    Discovered { issues_sessions, tools, ..Discovered::new(Revision::V2025_06_18) }
}

pub(crate) fn tool(name: &str, hints: Option<&str>) -> DiscoveredItem {
    let json = Bytes::from(format!(r#"{{"x":1,"name":"{name}","inputSchema":{{"type":"object"}}}}"#));
    let name_span: Span = members(&json).unwrap().into_iter().find(|(key, _)| key == "name").unwrap().1;
    DiscoveredItem { name: name.into(), json, name_span, hints: hints.map(Into::into) }
}

/// An item of any kind; a tool or prompt has a `name`, a resource a `uri`, a template a `uriTemplate`.
pub(crate) fn item(primitive: Primitive, name: &str) -> DiscoveredItem {
    let key = match primitive {
        Primitive::Tool | Primitive::Prompt => "name",
        Primitive::Resource => "uri",
        Primitive::ResourceTemplate => "uriTemplate",
    };
    let json = Bytes::from(serde_json::json!({"x": 1, key: name, "y": [name]}).to_string());
    let name_span = members(&json).unwrap().into_iter().find(|(member, _)| member == key).unwrap().1;
    DiscoveredItem { name: name.into(), json, name_span, hints: None }
}

pub(crate) fn snapshot() -> Arc<Snapshot> {
    Arc::new(compile(&spec(), &catalogue()).0)
}
