//! The HTTP client of one server.

use std::path::Path;

use reqwest::{
    Certificate, ClientBuilder,
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

/// A client with what `spec` says about certificates and deadlines.
///
/// No redirects: they could carry the credential elsewhere. No proxy, as Envoy has none either: what the broker
/// reaches a call must reach, too.
pub(super) async fn build(spec: &ServerSpec) -> Result<reqwest::Client, UpstreamError> {
    let mut builder = ClientBuilder::new()
        .user_agent(outbound::USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(spec.timeouts.connect)
        .tcp_keepalive(std::time::Duration::from_secs(30));
    if let Some(path) = &spec.ca_bundle {
        builder = builder.tls_certs_only(certificates(path).await?);
    } else if spec.url.scheme() != "https" {
        builder = builder.tls_certs_only([]); // plain HTTP works where the system has no certificates
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

async fn certificates(path: &Path) -> Result<Vec<Certificate>, UpstreamError> {
    let wrong = |why: String| UpstreamError::Client(format!("CA bundle {}: {why}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(|error| wrong(error.to_string()))?;
    let mut pem = Vec::new();
    file.take(ServerSpec::MAX_CA_BUNDLE + 1)
        .read_to_end(&mut pem)
        .await
        .map_err(|error| wrong(error.to_string()))?;
    if pem.len() as u64 > ServerSpec::MAX_CA_BUNDLE {
        return Err(wrong(format!("is larger than {} bytes", ServerSpec::MAX_CA_BUNDLE)));
    }
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(causes(&error)))?;
    if certificates.is_empty() {
        return Err(wrong("holds no PEM certificate".to_owned()));
    }
    Ok(certificates)
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
