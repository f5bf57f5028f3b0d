//! One server as written to one `ServerSpec`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::{Host, Url};

use super::{
    build::Findings,
    document::{CallCredential as WrittenCredential, Server},
    problem::Place,
    units,
};
use crate::routing::{Authority, CallCredential, ObjectName, Prefix, ServerSpec, Timeouts};

/// Where a server's endpoint is when neither `url` nor `path` says so.
const DEFAULT_PATH: &str = "/mcp";
/// What default hostnames end with.
const DEFAULT_DOMAIN: &str = "mcp.local";

/// A server as far as it could be read.
pub(super) struct Read {
    pub(super) name: Option<ObjectName>,
    pub(super) hostname: Option<Authority>,
    url: Option<Url>,
    prefix: Prefix,
    credential: Option<SecretString>,
    call_credential: CallCredential,
    enabled: bool,
    ca_bundle: Option<PathBuf>,
    timeouts: Timeouts,
}

impl Read {
    pub(super) fn complete(self) -> Option<ServerSpec> {
        Some(ServerSpec {
            name: self.name?,
            url: self.url?,
            hostname: self.hostname?,
            prefix: self.prefix,
            credential: self.credential,
            call_credential: self.call_credential,
            enabled: self.enabled,
            ca_bundle: self.ca_bundle,
            timeouts: self.timeouts,
        })
    }
}

pub(super) fn read(written: Server, place: &Place, findings: &mut Findings<'_>) -> Read {
    let name = written.name.as_ref().map(|name| ObjectName::parse(name));
    let name = name
        .and_then(|name| findings.read(&place.field("name"), name, "write a name such as `mcp-test/github`"));
    let hostname = hostname(written.hostname.as_deref(), name.as_ref(), place, findings);
    let url = url(written.url.as_deref(), written.path.as_deref(), place, findings);
    let prefix = written.tool_prefix.as_ref().map(|prefix| Prefix::parse(prefix));
    let fix = "write a prefix such as `github_`";
    let prefix =
        prefix.and_then(|prefix| findings.read(&place.field("toolPrefix"), prefix, fix)).unwrap_or_default();
    let credential = credential(written.credential, written.credential_file.as_deref(), place, findings);
    if credential.is_some() && url.as_ref().is_some_and(goes_in_the_clear) {
        let message = "sends the credential without TLS to another machine";
        findings.warning(&place.field("url"), message, "use https");
    }
    let ca_bundle = ca_bundle(written.ca_bundle.as_deref(), place, findings);
    if ca_bundle.is_some() && url.as_ref().is_some_and(|url| url.scheme() == "http") {
        findings.warning(
            &place.field("caBundle"),
            "has no effect: `url` is not https",
            "use https, or remove it",
        );
    }
    let mut timeout = |field: &'static str, text: Option<&String>, default: Duration| {
        let read = text.map(|text| units::duration(text));
        let place = place.field("timeouts").field(field);
        read.and_then(|read| findings.read(&place, read, "write for example `30s`")).unwrap_or(default)
    };
    let (given, default) = (written.timeouts.unwrap_or_default(), Timeouts::default());
    let timeouts = Timeouts {
        connect: timeout("connect", given.connect.as_ref(), default.connect),
        request: timeout("request", given.request.as_ref(), default.request),
    };
    let call_credential = match written.call_credential {
        None | Some(WrittenCredential::WhenAbsent) => CallCredential::WhenAbsent,
        Some(WrittenCredential::Replace) => CallCredential::Replace,
        Some(WrittenCredential::Never) => CallCredential::Never,
    };
    let enabled = written.enabled.unwrap_or(true);
    Read { name, hostname, url, prefix, credential, call_credential, enabled, ca_bundle, timeouts }
}

fn hostname(
    written: Option<&str>,
    name: Option<&ObjectName>,
    place: &Place,
    findings: &mut Findings<'_>,
) -> Option<Authority> {
    let place = place.field("hostname");
    if let Some(written) = written {
        return findings.read(&place, Authority::parse(written), "write for example `github.mcp.local`");
    }
    let name = name?.as_str();
    let labels: Vec<&str> = name.rsplit('/').chain([DEFAULT_DOMAIN]).collect();
    let fix = "write a `hostname` for this server";
    findings.read(
        &place,
        Authority::parse(&labels.join(".")).map_err(|_long| "cannot be made of the name"),
        fix,
    )
}

fn url(written: Option<&str>, path: Option<&str>, place: &Place, findings: &mut Findings<'_>) -> Option<Url> {
    let written = written?;
    let mut url = match parse_url(written) {
        Ok(url) => url,
        Err((message, fix)) => {
            findings.problem(&place.field("url"), message, fix);
            return None;
        }
    };
    match path {
        Some(path) if is_path(path) => url.set_path(path),
        Some(_) => {
            let message = "must begin with `/` and have no blank, `?` or `#`";
            findings.problem(&place.field("path"), message, "write for example `/v1/mcp`");
        }
        None if !has_path(written) => url.set_path(DEFAULT_PATH),
        None => {}
    }
    Some(url)
}

/// Never repeats the text: it may hold a password.
fn parse_url(written: &str) -> Result<Url, (&'static str, &'static str)> {
    let example = "write for example `https://api.example.com/mcp`";
    if written.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(("has a blank or a control character", "remove it, or write it as %20"));
    }
    let url = Url::parse(written).map_err(|_unreadable| ("is not a URL", example))?;
    if !matches!(url.scheme(), "http" | "https") || !written.contains("://") {
        return Err(("must begin with `http://` or `https://`", example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("has a user name or a password", "use `credentialFile`"));
    }
    if url.fragment().is_some() {
        return Err(("has a fragment", "remove the `#` and what follows"));
    }
    if url.port() == Some(0) {
        return Err(("has port 0", "write the server's port"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(("has no host", example));
    }
    Ok(url)
}

/// Whether the text itself names a path; the parser cannot tell `http://a` from `http://a/`.
fn has_path(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['?', '#']).next().is_some_and(|rest| rest.contains(['/', '\\']))
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
}

fn goes_in_the_clear(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !loopback
}

fn credential(
    text: Option<Result<SecretString, String>>,
    file: Option<&str>,
    place: &Place,
    findings: &mut Findings<'_>,
) -> Option<SecretString> {
    let fix = "write the whole header value, such as `Bearer ...`, on one line";
    match (text, file) {
        (Some(_), Some(_)) => {
            let message = "stands beside `credential`";
            findings.problem(&place.field("credentialFile"), message, "keep one of the two");
            None
        }
        (Some(text), None) => findings.read(&place.field("credential"), text, fix),
        (None, Some(file)) => {
            let place = place.field("credentialFile");
            let path = findings.path(&place, file)?;
            let read = findings.files.credential(&path);
            findings.read(&place, read, "give it the whole header value, such as `Bearer ...`, on one line")
        }
        (None, None) => None,
    }
}

fn ca_bundle(written: Option<&str>, place: &Place, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let place = place.field("caBundle");
    let path = findings.path(&place, written?)?;
    let read = findings.files.ca_bundle(&path);
    findings.read(&place, read, "name a PEM file with the certificates of the authorities")?;
    Some(path)
}
