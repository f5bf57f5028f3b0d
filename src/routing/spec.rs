//! What an operator asked for, already checked: every value here is valid on its own.
//!
//! `source` reads a file into a [`Spec`]; the controller will write the same. Secrets are held, never read here.

use std::{borrow::Borrow, fmt, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::{ObjectName, Prefix};

/// The whole configuration of one gateway. The default has no public host and no server: it serves nobody.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Host that clients name; any port. The first one that `source` read, then aliases.
    pub public_hosts: Vec<PublicHost>,
    /// Origins that browsers may call from, besides the public hosts' own.
    pub allowed_origins: Vec<Origin>,
    /// In the order written: of two servers that offer a name, the earlier one has it.
    pub servers: Vec<ServerSpec>,
    pub virtual_servers: Vec<VirtualServerSpec>,
    /// Refuse `tools/list` and `tools/call` without a session.
    pub require_session: bool,
    /// Where Envoy listens for the gateway's own requests: `host:port`, with `http://` or `https://` before it.
    /// `None`: what the flags say.
    pub private_host: Option<String>,
    /// Between lists of a server that announces no change. `None`: the broker's own pace.
    pub relist: Option<Duration>,
    pub limits: Limits,
}

/// One upstream MCP server.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    pub name: ObjectName,
    /// Where the broker connects, and what Envoy sends as Host: scheme, host, port and path.
    pub url: Url,
    /// What Envoy routes on: `:authority` of requests that the router sends to this server. Lower case.
    pub hostname: Authority,
    pub prefix: Prefix,
    /// The full header value (`Bearer …`) for discovery and calls.
    pub credential: Option<SecretString>,
    pub call_credential: CallCredential,
    pub enabled: bool,
    /// PEM file of the authorities that sign the server's certificate; the system's when absent.
    pub ca_bundle: Option<PathBuf>,
    pub timeouts: Timeouts,
}

impl ServerSpec {
    /// Largest file of [`ServerSpec::ca_bundle`], in bytes.
    pub const MAX_CA_BUNDLE: u64 = 4 << 20;
}

/// Limits in time of the broker's own requests to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// To the end of an answer that is not a stream.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(30) }
    }
}

/// What of a server's credential goes with a tool call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallCredential {
    /// `x-mcp-api-key` always; `authorization` where the client sent none.
    #[default]
    WhenAbsent,
    /// `x-mcp-api-key`, and `authorization` replaced whatever the client sent.
    Replace,
    /// Nothing: the credential is for discovery only.
    Never,
}

/// A named subset of what is exposed.
#[derive(Clone, Debug)]
pub struct VirtualServerSpec {
    pub name: ObjectName,
    /// Exposed names (prefix included).
    pub tools: Vec<String>,
    /// Exposed names of prompts; absent: those of the servers whose tools it has.
    pub prompts: Option<Vec<String>>,
    /// Exposed URIs of resources and templates; absent: those of the servers whose tools it has, and whatever else
    /// these servers answer a read of.
    pub resources: Option<Vec<String>>,
}

/// Limits on what one request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body: usize,
    /// Tools a page of `tools/list`; 0: all on one page.
    pub page: usize,
}

impl Limits {
    /// 4 MiB.
    pub const DEFAULT_BODY: usize = 4 << 20;
    /// The most that may be asked for: 64 MiB.
    pub const MAX_BODY: usize = 64 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: Self::DEFAULT_BODY, page: 0 }
    }
}

/// A host name or address as it stands in `:authority` without its port; lower case. At most 253 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority(Arc<str>);

/// A host that clients name.
pub type PublicHost = Authority;

impl Authority {
    /// Reads a host without a port: letters, digits, `-`, `.`, or an address (`[::1]` with brackets).
    pub fn parse(text: &str) -> Result<Self, super::InvalidName> {
        let lower = text.to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_address =
            lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|inside| {
                !inside.is_empty()
                    && inside.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.')
            });
        let is_name = lower.bytes().all(plain) && !lower.starts_with(['.', '-']) && !lower.ends_with('.');
        if lower.is_empty() || lower.len() > 253 || !(is_name || is_address) {
            return Err(super::InvalidName(
                text.to_owned(),
                "must be a host name without scheme, port or final dot",
            ));
        }
        Ok(Self(lower.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Authority> for Arc<str> {
    fn from(authority: &Authority) -> Self {
        Self::clone(&authority.0)
    }
}

impl Borrow<str> for Authority {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A web origin (`scheme://host[:port]`), as browsers send it; lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, super::InvalidName> {
        let wrong =
            || super::InvalidName(text.to_owned(), "must be `http://host[:port]` or `https://host[:port]`");
        let lower = text.to_ascii_lowercase();
        let url = Url::parse(&lower).map_err(|_unreadable| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != lower {
            return Err(wrong());
        }
        Ok(Self(lower.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
