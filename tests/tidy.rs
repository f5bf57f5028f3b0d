//! Holds the layers and habits of `src`: who may import whom, file shape, names, and where secrets are opened.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use layers::{FREE, ROWS, check};

const MAX_LINES: usize = 600;

#[test]
fn the_source_keeps_its_layers_and_habits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
    assert!(files.len() > 5, "found only {} files below {}", files.len(), root.display());
    let mut complaints = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let source = fs::read_to_string(&file).unwrap();
        complaints
            .extend(check(&name, &source).into_iter().map(|complaint| format!("src/{name}: {complaint}")));
        complaints.extend(shape(&source).into_iter().map(|complaint| format!("src/{name}: {complaint}")));
        complaints.extend(unlisted(&name).map(|complaint| format!("src/{name}: {complaint}")));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn shape(source: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.starts_with("//! ") {
        complaints.push("the first line must say what the file is: `//! ...`".to_owned());
    }
    let lines = source.lines().count();
    if lines > MAX_LINES {
        complaints.push(format!("has {lines} lines; the limit is {MAX_LINES}"));
    }
    complaints
}

/// Every module has a row, so that a new one is placed on purpose.
fn unlisted(name: &str) -> Option<String> {
    let top = name.split('/').next()?.trim_end_matches(".rs");
    let listed = FREE.contains(&top) || ROWS.iter().any(|row| row.module == top);
    (!listed)
        .then(|| format!("module `{top}` has no row in tests/layers/mod.rs: say what it must never import"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

mod proofs {
    //! The checker must catch what it is for: small sources that are wrong, and some that are right.

    use super::{MAX_LINES, check, shape, unlisted};

    fn caught(file: &str, source: &str, word: &str) {
        let complaints = check(file, source);
        assert!(
            complaints.iter().any(|complaint| complaint.contains(word)),
            "{file}: {source}: {complaints:?}"
        );
    }

    fn clean(file: &str, source: &str) {
        assert_eq!(check(file, source), Vec::<String>::new(), "{file}: {source}");
    }

    #[test]
    fn a_forbidden_module_is_caught_however_it_is_written() {
        caught("routing/decide.rs", "use crate::broker::Catalogue;", "crate::broker");
        caught("routing/decide.rs", "use crate::{mcp::Method, broker};", "crate::broker");
        caught("routing/decide.rs", "use crate::{mcp, broker as b};", "crate::broker");
        caught("routing/decide.rs", "pub use crate::sessions::*;", "crate::sessions");
        caught("routing/decide.rs", "use super::super::broker::X;", "crate::broker");
        caught("routing/mod.rs", "use super::broker::X;", "crate::broker");
        caught("routing/decide.rs", "mod tests { use super::super::super::broker::X; }", "crate::broker");
        caught("routing/decide.rs", "fn f() { crate::broker::run() }", "crate::broker");
        caught("routing/decide.rs", "fn f(x: crate::broker::X) {}", "crate::broker");
        caught("routing/decide.rs", "fn f() -> Vec<Option<crate::broker::X>> { vec![] }", "crate::broker");
        caught("routing/decide.rs", "fn f() { assert!(crate::broker::up()) }", "crate::broker");
        caught("routing/decide.rs", "impl crate::broker::Peer for X {}", "crate::broker");
        caught("routing/decide.rs", "fn f() { match x { crate::broker::X::A => () } }", "crate::broker");
        caught("routing/decide.rs", "pub(in crate::broker) struct X;", "crate::broker");
    }

    #[test]
    fn the_whole_crate_is_no_import() {
        caught("routing/decide.rs", "use crate::*;", "the whole crate");
        caught("routing/decide.rs", "use crate as root;", "the whole crate");
        caught("routing/decide.rs", "use crate::{self as root};", "the whole crate");
        caught("routing/decide.rs", "use super::super::*;", "the whole crate");
    }

    #[test]
    fn a_forbidden_crate_is_caught_however_it_is_written() {
        caught("mcp/scan.rs", "use tokio::sync::mpsc;", "tokio");
        caught("mcp/scan.rs", "use ::tokio as t;", "tokio");
        caught("mcp/scan.rs", "extern crate tokio;", "tokio");
        caught("mcp/scan.rs", "#[tokio::test] async fn f() {}", "tokio");
        caught("mcp/scan.rs", "#[derive(axum::FromRequest)] struct X;", "axum");
        caught("mcp/scan.rs", "fn f() { std::fs::read(\"x\"); }", "std::fs");
        caught("mcp/scan.rs", "use std::{fmt, fs};", "std::fs");
        caught("mcp/scan.rs", "use std::net::{IpAddr, TcpStream};", "std::net::TcpStream");
        caught("routing/decide.rs", "use std::time::Instant;", "std::time::Instant");
        caught("routing/decide.rs", "use std::time::{Duration, SystemTime};", "std::time::SystemTime");
        caught("routing/decide.rs", "use std::time::*;", "std::time");
        caught("exchange/step.rs", "use envoy_types::pb::X;", "envoy_types");
        caught("exchange/step.rs", "use prost::Message;", "prost");
        caught("ext_proc/service.rs", "use kube::Client;", "kube");
        caught("sessions/redis.rs", "use axum::Router;", "axum");
    }

    #[test]
    fn every_row_of_the_architecture_is_held() {
        caught("mcp/method.rs", "use crate::routing::Spec;", "crate::routing");
        caught("exchange/step.rs", "use crate::sessions::Store;", "crate::sessions");
        caught("exchange/step.rs", "use crate::ext_proc::X;", "crate::ext_proc");
        caught("ext_proc/mod.rs", "use crate::broker::X;", "crate::broker");
        caught("ext_proc/codec.rs", "use tokio::sync::mpsc;", "tokio");
        caught("broker/mod.rs", "use crate::ext_proc::X;", "crate::ext_proc");
        caught("broker/aggregate.rs", "use axum::Json;", "axum");
        caught("sessions/memory.rs", "use crate::routing::Spec;", "crate::routing");
        caught("credentials/key.rs", "use crate::ext_proc::X;", "crate::ext_proc");
        caught("controller/watch.rs", "use crate::sessions::Store;", "crate::sessions");
        caught("controller/index.rs", "use kube::Client;", "kube::Client");
        caught("telemetry/mod.rs", "use crate::mcp::Method;", "crate::mcp");
        caught("envoy/listener.rs", "use crate::credentials::X;", "crate::credentials");
        caught("clock.rs", "use crate::mcp::Method;", "crate::mcp");
        caught("admin/status.rs", "use crate::broker::X;", "crate::broker");
        caught("source/file.rs", "use crate::sessions::Store;", "crate::sessions");
        caught("source.rs", "use crate::sessions::Store;", "crate::sessions");
    }

    #[test]
    fn a_secret_is_opened_in_credentials_alone() {
        caught("broker/upstream.rs", "fn f() { key.expose_secret(); }", "expose_secret");
        caught("main.rs", "use secrecy::ExposeSecret;", "ExposeSecret");
        caught("main.rs", "fn f() { println!(\"{}\", key.expose_secret()); }", "expose_secret");
        clean("credentials/key.rs", "fn f() { key.expose_secret(); }");
    }

    #[test]
    fn vague_names_are_caught() {
        caught("broker/mod.rs", "struct SessionManager;", "SessionManager");
        caught("broker/mod.rs", "enum ToolInfo {}", "ToolInfo");
        caught("broker/mod.rs", "trait Helpers {}", "Helpers");
        caught("broker/mod.rs", "type UserData = u8;", "UserData");
        caught("broker/mod.rs", "fn get_tool() {}", "get_tool");
        caught("broker/mod.rs", "impl X { fn get_tool(&self) {} }", "get_tool");
        clean("broker/mod.rs", "struct Metadata; struct Informer; struct Contexture;");
        clean("broker/mod.rs", "impl Other for X { fn get_ref(&self) {} }");
    }

    #[test]
    fn what_is_right_passes() {
        clean("routing/decide.rs", "use crate::mcp::Method; use super::Spec; use std::net::IpAddr;");
        clean("routing/decide.rs", "mod tests { use super::*; use super::super::Spec; }");
        clean(
            "exchange/step.rs",
            "use crate::{mcp, routing::{Decision, Snapshot}}; use std::time::Duration;",
        );
        clean("sessions/mod.rs", "mod redis; use tokio::sync::Mutex; use crate::clock::UnixTime;");
        clean("controller/index.rs", "use kube::ResourceExt; use crate::routing::Spec;");
        clean("main.rs", "use mcp_gateway::{broker, ext_proc};");
        clean("mcp/scan.rs", "fn f() { let tokio = 1; tokio + 1; }");
    }

    #[test]
    fn file_shape_is_held() {
        assert_eq!(shape("use a::b;\n").len(), 1);
        assert_eq!(shape(&format!("//! Long.\n{}", "\n".repeat(MAX_LINES))).len(), 1);
        assert!(shape("//! Short.\n").is_empty());
        assert!(unlisted("brand_new/mod.rs").is_some());
        assert!(unlisted("routing/mod.rs").is_none());
    }

    #[test]
    fn a_file_that_does_not_parse_is_a_complaint() {
        caught("mcp/scan.rs", "fn {", "does not parse");
    }
}
