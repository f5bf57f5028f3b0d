//! `mcp-gateway demo` as a process: what it shows, and that nothing of it is left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{future::ready, net::TcpListener, process::Command};

use common::{Process, eventually, fetched, free_port};

#[tokio::test]
async fn it_shows_a_call_of_each_server_and_exits() {
    let mut demo = demo(free_port(), true);
    let status = eventually("the demo ends after its calls", || ready(demo.ended())).await;
    assert!(status.success(), "{status}");
    let log = demo.log();
    for said in ["second_echo", "python_add {\"a\":19,\"b\":23} = 42", "stopped"] {
        assert!(log.contains(said), "{said} was not said");
    }
}

#[tokio::test]
async fn nothing_is_left_of_it_when_it_is_told_to_stop() {
    let mut demo = demo(free_port(), false);
    let folder = demo.wait_for("where its logs are", 0, folder).await;
    let started = children(demo.pid());
    assert!(started.len() >= 4, "it started only {started:?}");
    assert!(demo.terminate().await.success());
    let left: Vec<&String> = started.iter().filter(|pid| is_alive(pid)).collect();
    assert!(left.is_empty(), "still there: {left:?}");
    assert!(!std::path::Path::new(&folder).exists(), "{folder} is left");
}

#[tokio::test]
async fn a_taken_port_is_said_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut demo = demo(port, true);
    let status = eventually("the demo gives up", || ready(demo.ended())).await;
    assert_eq!(status.code(), Some(1));
    demo.wait_for_line(&format!("cannot listen on 127.0.0.1:{port}")).await;
    assert!(!demo.log().contains("starting"));
}

/// The demo with Python servers alone.
fn demo(port: u16, once: bool) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NODE_BIN").env_remove("EVERYTHING_JS");
    command.arg("demo").arg("--envoy").arg(fetched("envoy")).arg("--python").arg(fetched("python"));
    command.arg("--listen").arg(format!("127.0.0.1:{port}")).env("DEMO_ONCE", if once { "1" } else { "" });
    Process::spawn("demo", command)
}

fn folder(line: &str) -> Option<String> {
    Some(line.strip_prefix("Logs: ")?.strip_suffix(". Ctrl-C ends everything.")?.to_owned())
}

fn children(of: u32) -> Vec<String> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &of.to_string()]).output().unwrap();
    let pids = String::from_utf8(listed.stdout).unwrap();
    pids.split_whitespace().map(str::to_owned).collect()
}

fn is_alive(pid: &str) -> bool {
    Command::new("ps").args(["-o", "pid=", "-p", pid]).output().unwrap().status.success()
}
