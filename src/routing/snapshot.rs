//! One immutable state of the gateway: everything a request needs to be decided.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use secrecy::SecretString;

use super::{Authority, CallCredential, Limits, ObjectName, Origin, Prefix, Scope, ServerSpec, View};
use crate::mcp::{Rejection, Revision};

/// A server as the router sees it: what the operator asked for, and what discovery learned.
#[derive(Debug)]
pub struct Server {
    pub name: ObjectName,
    pub hostname: Authority,
    /// Path and query of the server's URL.
    pub path: Box<str>,
    pub prefix: Prefix,
    pub credential: Option<SecretString>,
    pub call_credential: CallCredential,
    /// Whether it issues session ids; `false` until discovered.
    pub issues_sessions: bool,
    /// What it negotiated with the broker; absent until discovered.
    pub revision: Option<Revision>,
}

impl Server {
    pub(super) fn new(spec: &ServerSpec, issues_sessions: bool, revision: Option<Revision>) -> Self {
        let query = spec.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self {
            name: spec.name.clone(),
            hostname: spec.hostname.clone(),
            path: [spec.url.path(), &query].concat().into(),
            prefix: spec.prefix.clone(),
            credential: spec.credential.clone(),
            call_credential: spec.call_credential,
            issues_sessions,
            revision,
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
    pub(super) by_hostname: HashMap<Authority, Arc<Server>>,
    pub(super) all: View,
    pub(super) virtual_servers: HashMap<Box<str>, View>,
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
        Ok(Scope { first, also: views })
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
