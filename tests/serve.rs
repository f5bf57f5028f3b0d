//! `mcp-gateway` as a process: what it prints, how it starts, how it ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    fs,
    process::{Command, Output},
};

use common::{Gateway, Process, eventually, free_port};
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    service::ext_proc::v3::{
        HttpHeaders, ProcessingRequest, ProcessingResponse,
        external_processor_client::ExternalProcessorClient, processing_request::Request as Message,
    },
};
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// A gateway without servers.
const CONFIG: &str = "publicHost: mcp.example.com\nservers: []\n";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[test]
fn help_says_default_and_environment_name_of_each_flag() {
    let output = run(&["serve", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{help}");
    for part in [
        "--ext-proc-listen",
        "MCP_GATEWAY_EXT_PROC_LISTEN",
        "0.0.0.0:50051",
        "--broker-listen",
        "0.0.0.0:8080",
        "--admin-listen",
        "0.0.0.0:9090",
        "--private-host",
        "127.0.0.1:8001",
        "--session-key-file",
        "--session-lifetime",
        "24h",
        "--redis-url",
        "--log-format",
        "MCP_GATEWAY_LOG_LEVEL",
    ] {
        assert!(help.contains(part), "{part} is not in\n{help}");
    }
}

#[test]
fn a_wrong_flag_is_a_usage_error() {
    for arguments in
        [&["serve"][..], &["serve", "--config", "a", "--ext-proc-listen", "nowhere"], &["nothing"]]
    {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn what_prevents_the_start_is_said_once_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("good.yaml", CONFIG);
    write("bad.yaml", "publicHost: mcp.example.com\nservers: []\nserver: []\n");
    write("keys", "hunter2\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = [
        "--ext-proc-listen",
        "127.0.0.1:0",
        "--broker-listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    for (config, flags, expected) in [
        ("missing.yaml", vec![], "missing.yaml"),
        ("bad.yaml", vec![], "bad.yaml:3:1"),
        ("good.yaml", vec!["--session-key-file".to_owned(), path("keys")], "line 1"),
        (
            "good.yaml",
            vec!["--session-key-file".to_owned(), path("none")],
            "cannot read the session key file",
        ),
        ("good.yaml", vec!["--redis-url".to_owned(), "http://:hunter2@h".to_owned()], "redis"),
        ("good.yaml", vec!["--private-host".to_owned(), "a b".to_owned()], "`a b`"),
        ("good.yaml", vec!["--broker-listen".to_owned(), taken.clone()], taken.as_str()),
        ("good.yaml", vec!["--log-level".to_owned(), "a=b=c".to_owned()], "log level"),
    ] {
        let config = path(config);
        let mut serve = command(&["serve", "--config", &config]);
        // of two that are the same the last one counts
        let named: Vec<_> = flags.iter().map(String::as_str).collect();
        let free = free.chunks(2).filter(|pair| !named.contains(&pair[0])).flatten();
        let output = serve.args(free).args(&flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches("mcp-gateway: ").count(), 1, "{said}");
        assert!(said.contains(expected) && !said.contains("hunter2"), "{expected} is not in\n{said}");
    }
}

#[test]
fn check_reports_every_mistake_and_prints_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, "publicHost: a b\nservers: []\nserver: []\n").unwrap();
    let output = run(&["check", &file.display().to_string()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("gateway.yaml:1:") && said.contains("gateway.yaml:3:1"), "{said}");
    let schema: Value = serde_json::from_slice(&run(&["check", "--schema"]).stdout).unwrap();
    assert_eq!(schema["type"], "object");
}

#[tokio::test]
async fn the_admin_pages_say_how_it_is() {
    let gateway = Gateway::start(CONFIG, &[]).await;
    assert_eq!(gateway.page("/healthz").await, "ok\n");
    assert_eq!(gateway.page("/readyz").await, "ok\n");
    let metrics = gateway.page("/metrics").await;
    assert!(
        metrics.contains("# TYPE mcp_gateway_exchanges counter") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    let status = gateway.status().await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["source"]["generation"], 1);
    let missing = reqwest::get(format!("http://{}/nothing", gateway.admin)).await.unwrap();
    assert_eq!(missing.status(), 404);

    gateway.write_config("publicHost: other.example.com\nservers: []\n");
    eventually("the reload is counted", async || {
        let metrics = gateway.page("/metrics").await;
        metrics.contains(r#"mcp_gateway_config_reloads_total{result="Succeeded"} 1"#).then_some(())
    })
    .await;
    gateway.write_config("publicHost: [\n");
    eventually("the bad file is counted", async || {
        let metrics = gateway.page("/metrics").await;
        metrics.contains(r#"mcp_gateway_config_reloads_total{result="Failed"} 1"#).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_real_addresses_are_logged_where_port_0_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, CONFIG).unwrap();
    let mut serve = command(&["serve", "--log-format", "json", "--config"]);
    serve.arg(file).args(["--ext-proc-listen", "127.0.0.1:0"]);
    serve.args(["--broker-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut process = Process::spawn("mcp-gateway", serve);
    let line = process.wait_for_line("serving").await;
    let json = line.find('{').and_then(|start| line.get(start..)).unwrap();
    let event: Value = serde_json::from_str(json).unwrap();
    for name in ["ext_proc", "broker", "admin"] {
        let address = event[name].as_str().unwrap();
        assert!(!address.ends_with(":0"), "{event}");
        TcpStream::connect(address).await.unwrap();
    }
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut gateway = Gateway::start(CONFIG, &[]).await;
    let mut in_flight = exchange(&gateway).await;
    signal(&gateway.process);
    eventually("it says that it stops", async || gateway.process.log().contains("stopping").then_some(()))
        .await;
    let unready = reqwest::get(format!("http://{}/readyz", gateway.admin)).await.unwrap();
    assert_eq!(unready.status(), 503);
    assert!(gateway.process.ended().is_none(), "an exchange is in flight");
    signal(&gateway.process);
    let end = eventually("it has ended", async || gateway.process.ended()).await;
    assert_eq!(end.code(), Some(0));
    assert!(gateway.process.log().contains("at once"), "{}", gateway.process.log());
    assert!(in_flight.1.message().await.is_err(), "it was cut off");
}

#[tokio::test]
async fn a_socket_file_goes_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("router.sock");
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, CONFIG).unwrap();
    let mut serve = command(&["serve", "--config"]);
    serve.arg(file).args(["--ext-proc-listen", &format!("unix:{}", socket.display())]);
    let ports = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    serve.args(["--broker-listen", &ports[0], "--admin-listen", &ports[1]]);
    let mut process = Process::spawn("mcp-gateway", serve);
    process.wait_for_line("serving").await;
    assert!(socket.exists());
    assert_eq!(process.terminate().await.code(), Some(0));
    assert!(!socket.exists());
}

/// An exchange that waits for Envoy to send a body.
async fn exchange(gateway: &Gateway) -> (mpsc::Sender<ProcessingRequest>, Streaming<ProcessingResponse>) {
    let mut client = ExternalProcessorClient::connect(format!("http://{}", gateway.ext_proc)).await.unwrap();
    let (to, requests) = mpsc::channel(1);
    let mut from = client.process(ReceiverStream::new(requests)).await.unwrap().into_inner();
    let field = |name: &str, value: &str| HeaderValue {
        key: name.to_owned(),
        raw_value: value.into(),
        ..HeaderValue::default()
    };
    let headers = vec![
        field(":method", "POST"),
        field(":authority", "mcp.example.com"),
        field(":path", "/mcp"),
        field("content-type", "application/json"),
    ];
    let head = HttpHeaders { headers: Some(HeaderMap { headers }), ..HttpHeaders::default() };
    let request = Some(Message::RequestHeaders(head));
    to.send(ProcessingRequest { request, ..ProcessingRequest::default() }).await.unwrap();
    from.message().await.unwrap().unwrap();
    (to, from)
}

/// SIGTERM.
fn signal(process: &Process) {
    let status = Command::new("kill").arg(process.pid().to_string()).status().unwrap();
    assert!(status.success());
}
