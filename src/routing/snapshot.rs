//! One immutable state of the gateway: everything a request needs to be decided.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use secrecy::SecretString;

use super::{
    Authority, CallCredential, Discovered, Limits, ObjectName, Origin, Prefix, Primitive, Scope, ServerSpec,
    View, joint::Joint,
};
use crate::mcp::{Rejection, Revision, ServerCapabilities};

/// A server as the router sees it: what the operator asked for, and what discovery learned.
#[derive(Debug)]
pub struct Server {
    pub name: ObjectName,
    pub hostname: Authority,
    /// Path and query of the server's URL.
    pub path: Arc<str>,
    pub prefix: Prefix,
    pub credential: Option<Arc<SecretString>>,
    pub call_credential: CallCredential,
    /// Whether it issues session ids; `false` until discovered.
    pub issues_sessions: bool,
    /// What it negotiated with the broker; absent until discovered.
    pub revision: Option<Revision>,
    /// What it announced; nothing until discovered.
    pub capabilities: ServerCapabilities,
    /// Whether its event streams carry ids.
    pub has_event_ids: bool,
    /// Whether it offers a stream on GET.
    pub offers_stream: bool,
    /// For people and models.
    pub instructions: Option<Box<str>>,
}

impl Server {
    pub(super) fn new(spec: &ServerSpec, found: Option<&Discovered>) -> Self {
        let query = spec.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self {
            name: spec.name.clone(),
            hostname: spec.hostname.clone(),
            path: [spec.url.path(), &query].concat().into(),
            prefix: spec.prefix.clone(),
            credential: spec.credential.clone().map(Arc::new),
            call_credential: spec.call_credential,
            issues_sessions: found.is_some_and(|found| found.issues_sessions),
            revision: found.map(|found| found.revision),
            capabilities: found.map(|found| found.capabilities).unwrap_or_default(),
            has_event_ids: found.is_some_and(|found| found.has_event_ids),
            offers_stream: found.is_some_and(|found| found.offers_stream),
            instructions: found.and_then(|found| found.instructions.clone()),
        }
    }
}

/// Whose host a request names.
#[derive(Clone, Debug)]
pub enum Host<'s> {
    /// The gateway's own.
    Public,
    /// A server's: only the router sends requests there.
    Server(&'s Arc<Server>),
    /// Another application's; not to be touched.
    Other,
}

/// Built by [`super::compile`], replaced whole, never changed.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) public_hosts: Vec<Authority>,
    pub(super) allowed_origins: Vec<Origin>,
    pub(super) servers: HashMap<ObjectName, Arc<Server>>,
    pub(super) in_order: Vec<Arc<Server>>,
    pub(super) by_hostname: HashMap<Authority, Arc<Server>>,
    pub(super) all: View,
    pub(super) virtual_servers: HashMap<Box<str>, View>,
    pub(super) joint: Joint,
    pub(super) resource_servers: usize,
    pub(super) require_session: bool,
    pub(super) limits: Limits,
}

impl Snapshot {
    /// Whose host `authority` (`host[:port]`, any case) is.
    pub fn host(&self, authority: &str) -> Host<'_> {
        let host = lower_case(without_port(authority));
        if self.public_hosts.iter().any(|public| public.as_str() == host) {
            return Host::Public;
        }
        let host = lower_case(as_routed(authority));
        self.by_hostname.get(&*host).map_or(Host::Other, Host::Server)
    }

    /// Whether a page of `origin` (the header's value) may call: the public hosts' own pages, and those allowed.
    pub fn allows_origin(&self, origin: &str) -> bool {
        let origin = lower_case(origin);
        let host =
            origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).map(without_port);
        self.public_hosts.iter().any(|public| Some(public.as_str()) == host)
            || self.allowed_origins.iter().any(|allowed| allowed.as_str() == origin)
    }

    /// The enabled server of that name.
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.get(name)
    }

    /// Everything, limited to each of the `virtual_servers` named.
    pub fn scope<'s>(&'s self, virtual_servers: &[&str]) -> Result<Scope<'s>, Rejection> {
        let mut views = Vec::with_capacity(virtual_servers.len());
        for &name in virtual_servers {
            let view = self.virtual_servers.get(name);
            views.push(view.ok_or_else(|| Rejection::UnknownVirtualServer { name: name.to_owned() })?);
        }
        let first = views.pop().unwrap_or(&self.all);
        Ok(Scope { snapshot: self, first, also: views })
    }

    /// The enabled servers in the order of the configuration, discovered or not.
    pub fn servers_in_order(&self) -> &[Arc<Server>] {
        &self.in_order
    }

    /// How many servers announce resources: where it is one, its URIs need no change for clients.
    pub fn resource_servers(&self) -> usize {
        self.resource_servers
    }

    /// How clients see `uri` that `server` has named: as it is where a read of it, over the whole gateway, leads back
    /// to the server; else in prefix form ([`super::uri`]). An `http` or `https` URI that the server does not offer
    /// is left alone: clients fetch it from the web.
    pub fn exposed_uri<'u>(&self, server: &Server, uri: &'u str) -> Cow<'u, str> {
        self.all.exposed_uri(server, uri)
    }

    /// Tools of a virtual server that no server offers now; for status, since a server may still come.
    pub fn missing<'w>(&self, wanted: &'w [String]) -> Vec<&'w str> {
        self.missing_of(&[Primitive::Tool], wanted)
    }

    /// Prompts of a virtual server that no server offers now.
    pub fn missing_prompts<'w>(&self, wanted: &'w [String]) -> Vec<&'w str> {
        self.missing_of(&[Primitive::Prompt], wanted)
    }

    /// URIs of a virtual server that no server offers now, as a resource or as a template.
    pub fn missing_resources<'w>(&self, wanted: &'w [String]) -> Vec<&'w str> {
        self.missing_of(&[Primitive::Resource, Primitive::ResourceTemplate], wanted)
    }

    fn missing_of<'w>(&self, kinds: &[Primitive], wanted: &'w [String]) -> Vec<&'w str> {
        let is_missing = |name: &&str| kinds.iter().all(|kind| self.all.listing(*kind).item(name).is_none());
        wanted.iter().map(String::as_str).filter(is_missing).collect()
    }

    /// The view without limits.
    pub fn all(&self) -> &View {
        &self.all
    }

    /// Whether there is a host of ours: a gateway without a configuration has none.
    pub fn is_configured(&self) -> bool {
        !self.public_hosts.is_empty()
    }

    /// Whether lists and calls need a session.
    pub fn require_session(&self) -> bool {
        self.require_session
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// The host that Envoy chooses the route by: to it, all that stands after the last colon is a port. What would reach a
/// server's route must be known as the server's host.
fn as_routed(authority: &str) -> &str {
    authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(authority, |(host, _)| host)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_inside_brackets(authority) =>
        {
            host
        }
        Some(_) | None => authority,
    }
}

/// Whether the last colon of `authority` belongs to an IPv6 address.
fn is_inside_brackets(authority: &str) -> bool {
    authority.ends_with(']')
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
