//! The layer table (ARCHITECTURE.md, section 2), and the checker that reads one source file against it.

mod names;
mod paths;

/// What a module, given by its path below `src`, must never import.
pub(crate) struct Row {
    /// Like `routing` or `broker::aggregate`; holds for everything below it.
    pub(crate) module: &'static str,
    /// The only modules of ours it may import, itself apart.
    pub(crate) only: Option<&'static [&'static str]>,
    /// Modules of ours it must not import.
    pub(crate) never: &'static [&'static str],
    /// Paths of other crates and of `std` it must not import.
    pub(crate) outside: &'static [&'static [&'static str]],
}

/// Whatever waits, listens, connects, or reads files, the environment or a clock.
const IO: &[&str] = &[
    "axum",
    "hyper",
    "kube::Api",
    "kube::Client",
    "kube::runtime",
    "redis",
    "reqwest",
    "rustls",
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_health",
    "crate::clock::now",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];
const KUBE: &[&str] = &["kube", "k8s_openapi"];
const SERVERS: &[&str] = &["axum", "tonic"];
const ENVOY_TYPES: &[&str] = &["envoy_types", "prost"];

pub(crate) const ROWS: &[Row] = &[
    pure("mcp", &[]),
    pure("routing", &["mcp"]),
    Row { outside: &[IO, KUBE, ENVOY_TYPES], ..pure("exchange", &["mcp", "routing"]) },
    pure("envoy", &["mcp", "routing"]),
    Row { outside: &[KUBE], ..shell("ext_proc", &["broker", "controller"]) },
    Row { outside: &[IO], ..shell("ext_proc::codec", &[]) },
    Row { outside: &[KUBE], ..shell("broker", &["controller", "ext_proc"]) },
    Row { outside: &[IO], ..shell("broker::aggregate", &[]) },
    Row { outside: &[SERVERS], ..shell("sessions", &["routing"]) },
    Row { outside: &[SERVERS, KUBE], ..shell("credentials", &["ext_proc"]) },
    Row { outside: &[SERVERS], ..shell("controller", &["broker", "ext_proc", "sessions"]) },
    Row { outside: &[IO], ..shell("controller::index", &[]) },
    Row { outside: &[IO], ..shell("controller::status", &[]) },
    Row { outside: &[IO], ..shell("controller::object", &[]) },
    Row { outside: &[IO], ..shell("controller::crd", &[]) },
    Row { outside: &[IO], ..shell("controller::own", &[]) },
    Row { only: Some(&["clock", "credentials", "routing"]), ..shell("source", &[]) },
    Row { only: Some(&["mcp"]), outside: &[SERVERS], ..shell("outbound", &[]) },
    Row { outside: &[SERVERS], ..shell("report", &["broker", "controller", "ext_proc"]) },
    Row { only: Some(&[]), ..shell("kubernetes", &[]) },
    Row { only: Some(&[]), ..shell("telemetry", &[]) },
    Row { only: Some(&[]), ..shell("clock", &[]) },
    shell("admin", &["broker", "ext_proc"]),
    // stands outside, as a user does: whatever it shows, it shows through the program's own commands
    Row { only: Some(&["mcp"]), ..shell("demo", &[]) },
];

/// Modules that know all: the composition root, what it reads, and what it shows.
pub(crate) const FREE: &[&str] = &["config", "control", "demo", "lib", "main", "serve"];

const fn pure(module: &'static str, only: &'static [&'static str]) -> Row {
    Row { module, only: Some(only), never: &[], outside: &[IO, KUBE] }
}

const fn shell(module: &'static str, never: &'static [&'static str]) -> Row {
    Row { module, only: None, never, outside: &[] }
}

/// What is wrong with `source`, whose file is `file` below `src` (`routing/decide.rs`); empty if nothing is.
pub(crate) fn check(file: &str, source: &str) -> Vec<String> {
    let tree = match syn::parse_file(source) {
        Ok(tree) => tree,
        Err(error) => return vec![format!("does not parse: {error}")],
    };
    let module = module_of(file);
    let rows = ROWS.iter().filter(|row| is_below(&module, &segments(row.module)));
    let named = paths::named_in(&tree, &module);
    let mut complaints: Vec<_> = rows
        .flat_map(|row| named.iter().filter_map(move |path| complaint(row, path)))
        .chain(names::complaints(&tree, &module))
        .collect();
    complaints.sort();
    complaints.dedup();
    complaints
}

fn complaint(row: &Row, path: &[String]) -> Option<String> {
    let own = segments(row.module);
    let shown = path.join("::");
    let forbidden = |list: &[&str]| list.iter().any(|entry| overlaps(path, &segments(entry)));
    if path.first().is_some_and(|first| first == "crate") {
        let Some(top) = path.get(1).filter(|top| *top != "*") else {
            return Some(format!("`{}` must not import the whole crate", row.module));
        };
        let foreign = Some(top) != own.first();
        let outside_only = row.only.is_some_and(|only| foreign && !only.contains(&top.as_str()));
        if outside_only || row.never.contains(&top.as_str()) {
            return Some(format!("`{}` must not import `{shown}`", row.module));
        }
    }
    row.outside
        .iter()
        .any(|list| forbidden(list))
        .then(|| format!("`{}` must not import `{shown}`", row.module))
}

/// A path is forbidden below an entry, and so is a glob above it (`std::time::*` holds `std::time::Instant`).
fn overlaps(path: &[String], entry: &[String]) -> bool {
    match path.split_last() {
        Some((last, above)) if last == "*" => is_below(entry, above) || is_below(above, entry),
        _ => is_below(path, entry),
    }
}

fn is_below(path: &[String], above: &[String]) -> bool {
    path.starts_with(above)
}

fn module_of(file: &str) -> Vec<String> {
    let mut parts: Vec<_> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}
