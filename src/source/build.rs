//! A document to a `Spec`: what each value means, and whether they go together.

use std::{
    collections::HashMap,
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use super::{
    document::{Discovery, Document, Limits as WrittenLimits, VirtualServer},
    files::Files,
    listed::Listed,
    problem::{Place, Problems},
    server,
    tree::Node,
    units,
};
use crate::routing::{
    Authority, Limits, ObjectName, Origin, Prefix, PublicHost, ServerSpec, Spec, VirtualServerSpec,
};

/// Most servers.
pub const MAX_SERVERS: usize = 10_000;
/// Least and largest limit of a request's body, in bytes.
const BODY: (usize, usize) = (1 << 10, Limits::MAX_BODY);

/// Collects what is found while a document is read.
pub(super) struct Findings<'a> {
    pub(super) root: &'a Node,
    /// The folder that relative paths start from; `None`: the text is no file, and must not name one.
    pub(super) folder: Option<&'a Path>,
    pub(super) files: &'a mut Files,
    pub(super) problems: &'a mut Problems,
    pub(super) warnings: &'a mut Problems,
}

impl Findings<'_> {
    pub(super) fn problem(&mut self, place: &Place, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.add(self.root.position(place), place, message, fix);
    }

    pub(super) fn warning(&mut self, place: &Place, message: impl Into<String>, fix: impl Into<String>) {
        self.warnings.add(self.root.position(place), place, message, fix);
    }

    /// Where the file is that is named at `place`.
    pub(super) fn path(&mut self, place: &Place, written: &str) -> Option<PathBuf> {
        let path = self.folder.map(|folder| folder.join(written));
        if path.is_none() {
            self.problem(place, "names a file", "only a configuration that is a file itself can name others");
        }
        path
    }

    /// The value, or a problem that names it.
    pub(super) fn read<T, E: Display>(&mut self, place: &Place, read: Result<T, E>, fix: &str) -> Option<T> {
        read.map_err(|error| self.problem(place, error.to_string(), fix)).ok()
    }
}

/// The spec of `document`; whole only if no problem was found.
pub(super) fn spec(document: Document, public_hosts: &[PublicHost], findings: &mut Findings<'_>) -> Spec {
    let root = Place::default();
    let public_hosts = match (public_hosts, document.public_host) {
        ([], None) if findings.root.has(&root.field("publicHost")) => Vec::new(),
        ([], None) => {
            findings.problem(
                &root,
                "`publicHost` is missing",
                "add `publicHost: HOST`, the host that clients name",
            );
            Vec::new()
        }
        ([], Some(written)) => read_public_hosts(&written, findings),
        (given, _) => given.to_vec(),
    };
    let servers = servers(document.servers.unwrap_or_default(), &public_hosts, findings);
    Spec {
        public_hosts,
        allowed_origins: origins(&document.allowed_origins.unwrap_or_default(), findings),
        virtual_servers: virtual_servers(document.virtual_servers.unwrap_or_default(), findings),
        require_session: document.require_session.unwrap_or_default(),
        private_host: document.private_host.and_then(|text| private_host(text, findings)),
        relist: document.discovery.and_then(|written| relist(&written, findings)),
        limits: limits(&document.limits.unwrap_or_default(), findings),
        servers,
    }
}

fn read_public_hosts(written: &[Option<String>], findings: &mut Findings<'_>) -> Vec<PublicHost> {
    let place = Place::default().field("publicHost");
    if written.is_empty() {
        findings.problem(&place, "names no host", "write the host that clients name");
    }
    let alone = written.len() == 1;
    let mut hosts = Vec::new();
    for (index, text) in written.iter().enumerate() {
        // One host may stand without a list; the nearest value that exists has the position either way.
        let place = if alone { place.clone() } else { place.item(index) };
        let read = text.as_ref().map(|text| Authority::parse(text));
        let fix = "write the host alone, such as `mcp.example.com`";
        let Some(host) = read.and_then(|read| findings.read(&place, read, fix)) else { continue };
        if hosts.contains(&host) {
            findings.problem(&place, format!("{host} is written twice"), "remove one of the two");
        } else {
            hosts.push(host);
        }
    }
    hosts
}

fn origins(written: &[Option<String>], findings: &mut Findings<'_>) -> Vec<Origin> {
    let place = Place::default().field("allowedOrigins");
    let mut origins = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let read = text.as_ref().map(|text| Origin::parse(text));
        let fix =
            "write what browsers send, such as `https://app.example.com`, without a path or a default port";
        origins.extend(read.and_then(|read| findings.read(&place.item(index), read, fix)));
    }
    origins
}

fn servers(
    written: Vec<Option<super::document::Server>>,
    public_hosts: &[PublicHost],
    findings: &mut Findings<'_>,
) -> Vec<ServerSpec> {
    let list = Place::default().field("servers");
    if written.len() > MAX_SERVERS {
        findings.problem(
            &list,
            format!("has {} servers", written.len()),
            format!("keep at most {MAX_SERVERS}"),
        );
        return Vec::new();
    }
    let mut servers = Vec::new();
    let (mut names, mut hostnames) = (HashMap::new(), HashMap::new());
    for (index, server) in written.into_iter().enumerate() {
        let Some(server) = server else { continue };
        let place = list.item(index);
        let read = server::read(server, &place, findings);
        if let Some(name) = &read.name
            && let Some(first) = names.insert(name.clone(), index)
        {
            let message = format!("{name} is also the name of servers[{first}]");
            findings.problem(&place.field("name"), message, "give each server its own name");
        }
        if let Some(hostname) = &read.hostname {
            let at = place.field("hostname");
            if public_hosts.contains(hostname) {
                let fix = "choose one that clients do not name, such as `NAME.mcp.local`";
                findings.problem(&at, format!("{hostname} is a public host"), fix);
            }
            if let Some(first) = hostnames.insert(hostname.clone(), index) {
                let message = format!("{hostname} is also the hostname of servers[{first}]");
                findings.problem(&at, message, "give each server its own `hostname`");
            }
        }
        servers.extend(read.complete().map(|server| (server, place)));
    }
    warn_of_nested_prefixes(&servers, findings);
    servers.into_iter().map(|(server, _)| server).collect()
}

/// `a_` before `b_x` and `a_b_` before `x` are the same name: legal, and seldom meant.
fn warn_of_nested_prefixes(servers: &[(ServerSpec, Place)], findings: &mut Findings<'_>) {
    let mut sorted: Vec<_> =
        servers.iter().filter(|(server, _)| server.prefix != Prefix::default()).collect();
    sorted.sort_by(|(a, _), (b, _)| a.prefix.as_str().cmp(b.prefix.as_str()));
    let mut outer: Vec<&ServerSpec> = Vec::new();
    for (server, place) in sorted {
        outer.retain(|outer| server.prefix.as_str().starts_with(outer.prefix.as_str()));
        if let Some(shorter) = outer.iter().rfind(|outer| outer.prefix != server.prefix) {
            let message = format!("begins with the prefix {:?} of {}", shorter.prefix.as_str(), shorter.name);
            findings.warning(
                &place.field("toolPrefix"),
                message,
                "tool names of the two can clash; choose another prefix",
            );
        }
        outer.push(server);
    }
}

fn virtual_servers(
    written: Vec<Option<VirtualServer>>,
    findings: &mut Findings<'_>,
) -> Vec<VirtualServerSpec> {
    let list = Place::default().field("virtualServers");
    let (mut read, mut names) = (Vec::new(), HashMap::new());
    for (index, server) in written.into_iter().enumerate() {
        let Some(server) = server else { continue };
        let place = list.item(index);
        let at = place.field("name");
        let name = server.name.map(|name| ObjectName::parse(&name));
        let name = name.and_then(|name| findings.read(&at, name, "write a name such as `mcp-test/readers`"));
        if let Some(name) = &name
            && let Some(first) = names.insert(name.clone(), index)
        {
            let message = format!("{name} is also the name of virtualServers[{first}]");
            findings.problem(&at, message, "give each virtual server its own name");
        }
        let mut list = |written: Option<Vec<Option<String>>>, kind: Listed| {
            written.map(|names| kind.read(names, &place.field(kind.field()), findings))
        };
        let tools = list(server.tools, Listed::Tools).unwrap_or_default();
        let (prompts, resources) =
            (list(server.prompts, Listed::Prompts), list(server.resources, Listed::Resources));
        read.extend(name.map(|name| VirtualServerSpec { name, tools, prompts, resources }));
    }
    read
}

fn private_host(written: String, findings: &mut Findings<'_>) -> Option<String> {
    let with_scheme = if written.contains("://") { written.clone() } else { format!("http://{written}") };
    let is_host = Url::parse(&with_scheme).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let read =
        if is_host { Ok(written) } else { Err("must be `host:port`, `http://` or `https://` before it") };
    findings.read(&Place::default().field("privateHost"), read, "write for example `envoy.internal:8080`")
}

fn relist(written: &Discovery, findings: &mut Findings<'_>) -> Option<Duration> {
    let place = Place::default().field("discovery").field("interval");
    let read = units::interval(written.interval.as_ref()?);
    findings.read(&place, read, "write for example `60s`")
}

fn limits(written: &WrittenLimits, findings: &mut Findings<'_>) -> Limits {
    let place = Place::default().field("limits");
    let (least, most) = BODY;
    let body = written.body.as_ref().map(|body| units::size(body, least, most));
    let body = body.and_then(|body| findings.read(&place.field("body"), body, "write for example `4MiB`"));
    let page = written.page.as_ref().map(|page| {
        let page = page.as_u64().and_then(|page| usize::try_from(page).ok());
        page.ok_or("must be a whole number without a fraction")
    });
    let page = page.and_then(|page| findings.read(&place.field("page"), page, "write for example `100`"));
    Limits { body: body.unwrap_or(Limits::DEFAULT_BODY), page: page.unwrap_or_default() }
}
