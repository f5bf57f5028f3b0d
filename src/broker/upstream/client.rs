//! The HTTP client of one server.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{
    Certificate, Client, ClientBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use secrecy::SecretString;
use tokio::io::AsyncReadExt;

use super::UpstreamError;
use crate::{
    credentials, exchange::CredentialPart, mcp::header, outbound, routing::ServerSpec,
    sessions::ServerSession,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Clients that are kept, each for all servers that are reached alike.
const MAX_CLIENTS: usize = 16;

/// How long a connection is kept that nothing uses: less than there is between two lists, since each takes memory, here
/// and at the server.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// The HTTP clients of all servers: what they trust needs more memory than all else that is kept of a server.
#[derive(Debug, Default)]
pub(in crate::broker) struct Clients(Mutex<HashMap<Reached, Client>>);

/// How servers are reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reached {
    trusted: Trusted,
    connect_timeout: Duration,
}

/// Who may sign a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Trusted {
    /// Plain HTTP works where the system has no certificates.
    Nobody,
    System,
    /// SHA-256 of a CA bundle.
    Bundle(Box<[u8]>),
}

impl Clients {
    /// The client with what `spec` says about certificates and deadlines.
    pub(super) async fn of(&self, spec: &ServerSpec) -> Result<Client, UpstreamError> {
        let bundle = match &spec.ca_bundle {
            Some(path) => Some((path, read(path).await?)),
            None => None,
        };
        let trusted = match &bundle {
            Some((_, pem)) => Trusted::Bundle(digest(&SHA256, pem).as_ref().into()),
            None if spec.url.scheme() == "https" => Trusted::System,
            None => Trusted::Nobody,
        };
        let reached = Reached { trusted, connect_timeout: spec.timeouts.connect };
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&reached) {
            return Ok(client.clone());
        }
        let only = match (&reached.trusted, &bundle) {
            (Trusted::System, _) => None,
            (_, Some((path, pem))) => Some(certificates(path, pem)?),
            (Trusted::Nobody | Trusted::Bundle(_), None) => Some(Vec::new()),
        };
        let client = build(spec.timeouts.connect, only)?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear(); // who uses one keeps it
        }
        clients.insert(reached, client.clone());
        Ok(client)
    }
}

/// No redirects: they could carry the credential elsewhere. No proxy, as Envoy has none either: what the broker
/// reaches a call must reach, too.
fn build(connect_timeout: Duration, only: Option<Vec<Certificate>>) -> Result<Client, UpstreamError> {
    let mut builder = ClientBuilder::new()
        .user_agent(outbound::USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_TIME)
        .tcp_keepalive(Duration::from_secs(30));
    if let Some(only) = only {
        builder = builder.tls_certs_only(only);
    }
    builder.build().map_err(|error| UpstreamError::Client(causes(&error)))
}

/// The header fields of a request to a server; `session` is absent before it has answered `initialize`.
pub(super) fn fields(
    credential: Option<&SecretString>,
    session: Option<&ServerSession>,
    kind: Kind,
) -> Result<HeaderMap, UpstreamError> {
    let unfit = |what: &str| UpstreamError::Client(format!("the {what} cannot be put into a header field"));
    let mut fields = HeaderMap::new();
    match kind {
        Kind::Message => {
            fields.insert(ACCEPT, BOTH);
            fields.insert(CONTENT_TYPE, JSON);
        }
        Kind::Stream => _ = fields.insert(ACCEPT, EVENTS),
        Kind::End => {}
    }
    if let Some(credential) = credential {
        let value = credentials::reveal(credential, CredentialPart::Whole);
        let mut value = HeaderValue::from_bytes(&value).map_err(|_secret| unfit("credential"))?;
        value.set_sensitive(true);
        fields.insert(AUTHORIZATION, value);
    }
    if let Some(session) = session {
        fields.insert(header::PROTOCOL_VERSION, HeaderValue::from_static(session.revision().as_str()));
        if let Some(id) = session.id() {
            let mut id = HeaderValue::from_str(id).map_err(|_secret| unfit("session id"))?;
            id.set_sensitive(true);
            fields.insert(header::SESSION_ID, id);
        }
    }
    Ok(fields)
}

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// POST of one message.
    Message,
    /// GET of the event stream.
    Stream,
    /// DELETE of the session.
    End,
}

async fn read(path: &Path) -> Result<Vec<u8>, UpstreamError> {
    let unread = |error: std::io::Error| wrong(path, &error.to_string());
    let file = tokio::fs::File::open(path).await.map_err(unread)?;
    let mut pem = Vec::new();
    file.take(ServerSpec::MAX_CA_BUNDLE + 1).read_to_end(&mut pem).await.map_err(unread)?;
    if pem.len() as u64 > ServerSpec::MAX_CA_BUNDLE {
        return Err(wrong(path, &format!("is larger than {} bytes", ServerSpec::MAX_CA_BUNDLE)));
    }
    Ok(pem)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>, UpstreamError> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| wrong(path, &causes(&error)))?;
    if certificates.is_empty() {
        return Err(wrong(path, "holds no PEM certificate"));
    }
    Ok(certificates)
}

fn wrong(path: &Path, why: &str) -> UpstreamError {
    UpstreamError::Client(format!("CA bundle {}: {why}", path.display()))
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
