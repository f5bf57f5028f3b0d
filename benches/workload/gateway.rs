//! A gateway of any number of servers, and the session of its client.

use std::sync::Arc;

use bytes::Bytes;
use mcp_gateway::{
    clock::UnixTime,
    credentials::{KeyRing, Sealer},
    exchange::{Alias, AliasKind, HairpinRight, Session, SessionFault, SessionId, Tokens},
    mcp::{ClientCapabilities, Revision, members},
    routing::{
        Authority, CallCredential, Catalogue, Discovered, DiscoveredItem, ObjectName, Prefix, Server,
        ServerSpec, Snapshot, Spec, Timeouts, compile,
    },
};
use secrecy::SecretString;
use url::Url;

/// What the calls name: `get_me` of the first server.
pub(super) const TOOL: &str = "s0_get_me";
pub(super) const PREFIX: &str = "s0_";
pub(super) const HOST: &str = "mcp.example.com";

/// Tools of each server.
const TOOLS: usize = 10;

/// The state that decides, and its first server.
pub(super) struct Gateway {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) server: Arc<Server>,
}

impl Gateway {
    pub(super) fn new(servers: usize) -> Self {
        let mut catalogue = Catalogue::default();
        let mut spec = Spec { public_hosts: vec![authority(HOST)], ..Spec::default() };
        for at in 0..servers {
            let name = ObjectName::parse(&name(at)).expect("a name");
            let others = (1..TOOLS).map(|at| format!("tool_{at}"));
            let tools = std::iter::once("get_me".to_owned()).chain(others).map(|name| tool(&name)).collect();
            let found = Discovered { issues_sessions: true, tools, ..Discovered::new(Revision::V2025_11_25) };
            catalogue.servers.insert(name.clone(), Arc::new(found));
            spec.servers.push(server(at, name));
        }
        let snapshot = Arc::new(compile(&spec, &catalogue).0);
        let server = Arc::clone(snapshot.server(&name(0)).expect("the first server"));
        Self { snapshot, server }
    }
}

/// `namespace/name` of a server.
pub(super) fn name(at: usize) -> String {
    format!("mcp-test/server-{at}")
}

fn server(at: usize, name: ObjectName) -> ServerSpec {
    ServerSpec {
        name,
        url: Url::parse("https://api.example.com/mcp").expect("a URL"),
        hostname: authority(&format!("server-{at}.mcp.local")),
        prefix: Prefix::parse(&format!("s{at}_")).expect("a prefix"),
        credential: Some(SecretString::from("Bearer 0123456789abcdef0123456789abcdef")),
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts::default(),
    }
}

fn authority(text: &str) -> Authority {
    Authority::parse(text).expect("a host")
}

fn tool(name: &str) -> DiscoveredItem {
    let json = Bytes::from(format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#));
    let found = members(&json).expect("an object").into_iter().find(|(key, _)| key == "name");
    let name_span = found.expect("a name").1;
    let hints = "readOnly=true,destructive=false,idempotent=true,openWorld=unspecified";
    DiscoveredItem { name: name.into(), json, name_span, hints: Some(hints.into()) }
}

/// Seals with a key that is always the same, at a time that does not pass.
pub(super) fn sealer() -> Sealer {
    let ring = KeyRing::parse("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("a key");
    Sealer::new(ring, || UnixTime(1_000_000_000))
}

pub(super) fn session() -> Session {
    Session {
        id: SessionId([7; 16]),
        issued: 1_000_000_000,
        expires: 1_000_086_400,
        capabilities: ClientCapabilities(0),
        revision: Revision::V2025_11_25,
        virtual_server: None,
    }
}

/// Every session is open already: what is left is the exchange's own work.
pub(super) struct Opened;

impl Tokens for Opened {
    fn open_session(&self, _token: &[u8]) -> Result<Session, SessionFault> {
        Ok(session())
    }

    fn open_hairpin(&self, _token: &[u8]) -> Option<HairpinRight> {
        None
    }

    fn open_probe(&self, _token: &[u8]) -> Option<Box<str>> {
        None
    }

    fn seal_alias(&self, _kind: AliasKind, _alias: &Alias) -> String {
        String::new()
    }

    fn open_alias(&self, _kind: AliasKind, _token: &str) -> Option<Alias> {
        None
    }

    fn seal_routed(&self, _virtual_servers: &[&str]) -> String {
        String::new()
    }
}
