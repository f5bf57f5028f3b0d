//! Where the gateway's own requests go: the listener that clients use, under the name they know it by.

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderValue,
    redirect,
};
use url::Host;

use super::hairpin::InvalidHost;

/// Longest time to connect to Envoy.
const CONNECT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);

/// Connections to Envoy that are kept open unused.
const IDLE_CONNECTIONS: usize = 64;

/// How long: less than Envoy keeps them.
const IDLE_TIME: std::time::Duration = std::time::Duration::from_secs(30);

const ENDPOINT: &str = "/mcp";

/// A listener of Envoy, and what clients call the endpoint there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) http: Client,
    /// A connection each: one from before Envoy was told of the router would never pass it.
    pub(super) probes: Client,
    pub(super) url: Url,
    /// What clients call the endpoint.
    pub(super) host: HeaderValue,
}

impl Target {
    /// `private`: where Envoy listens for the gateway, `host:port`, `http://` unless it says `https://`. `public`: what
    /// clients name.
    ///
    /// With `https://` the connection goes to `private` and everything in it names `public`: SNI chooses Envoy's filter
    /// chain, and the certificate is the one that clients see.
    pub(super) fn new(private: &str, public: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(private.to_owned());
        let with_scheme =
            if private.contains("://") { private.to_owned() } else { format!("http://{private}") };
        let mut url = Url::parse(&with_scheme).map_err(|_unreadable| invalid())?;
        let is_host =
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.username().is_empty();
        if !is_host || url.query().is_some() {
            return Err(invalid());
        }
        url.set_path(ENDPOINT);
        let host = HeaderValue::from_str(public).map_err(|_unsendable| InvalidHost(public.to_owned()))?;
        // no proxy from the environment: the sealed right is for Envoy alone
        let mut at = None;
        let is_name = matches!(Host::parse(public), Ok(Host::Domain(_)));
        if url.scheme() == "https" && is_name {
            at = match url.host() {
                Some(Host::Domain(name)) => Some(name.to_owned()),
                Some(Host::Ipv4(address)) => Some(address.to_string()),
                Some(Host::Ipv6(address)) => Some(address.to_string()),
                None => return Err(invalid()),
            };
            url.set_host(Some(public)).map_err(|_unreadable| InvalidHost(public.to_owned()))?;
        }
        let client = |idle| client(at.clone(), idle).map_err(|_no_tls| invalid());
        Ok(Self { http: client(IDLE_CONNECTIONS)?, probes: client(0)?, url, host })
    }
}

/// A client that finds every name at `at`, if given.
fn client(at: Option<String>, idle: usize) -> reqwest::Result<Client> {
    // no proxy from the environment: the sealed right is for Envoy alone
    let mut client =
        Client::builder().no_proxy().redirect(redirect::Policy::none()).connect_timeout(CONNECT_DEADLINE);
    if let Some(at) = at {
        client = client.dns_resolver(Always(at));
    }
    client.pool_max_idle_per_host(idle).pool_idle_timeout(IDLE_TIME).tcp_nodelay(true).build()
}

/// Finds every name at one other name or address.
struct Always(String);

impl Resolve for Always {
    fn resolve(&self, _name: Name) -> Resolving {
        let address = self.0.clone();
        Box::pin(async move {
            // the port is the URL's
            let found = tokio::net::lookup_host((address, 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}
