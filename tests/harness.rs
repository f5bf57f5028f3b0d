//! The real peers work without a gateway between them: what the other tests build on, and how each peer behaves.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Client, Envoy, Everything, Process, PythonServer, Redis, eventually, free_port};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn every_client_calls_every_server() {
    let (python, python_1, everything) =
        tokio::join!(PythonServer::start(&[]), PythonServer::start_1(&[]), Everything::start());
    for mut client in [Client::python().await, Client::python_1().await, Client::typescript().await] {
        for url in [python.url(), python_1.url()] {
            client.connect(&url).await.unwrap();
            assert_eq!(client.call_text("add", json!({"a": 2, "b": 3})).await, "5");
            assert_eq!(client.tool_names().await.unwrap()[0], "add");
            client.close().await.unwrap();
        }
        client.connect(&everything.url()).await.unwrap();
        assert_eq!(client.call_text("echo", json!({"message": "hi"})).await, "Echo: hi");
        client.close().await.unwrap();
    }
}

#[tokio::test]
async fn progress_reaches_the_client_while_the_tool_runs() {
    let server = PythonServer::start(&[]).await;
    for mut client in [Client::python().await, Client::typescript().await] {
        client.connect(&server.url()).await.unwrap();
        let result = client.call("progress", json!({"steps": 3, "delay_ms": 300})).await.unwrap();
        let progress = result["progress"].as_array().unwrap();
        assert_eq!(progress.len(), 3);
        let (first, elapsed) =
            (progress[0]["at_ms"].as_u64().unwrap(), result["elapsed_ms"].as_u64().unwrap());
        assert!(
            first + 500 < elapsed,
            "the first of three steps came at {first} ms, the end at {elapsed} ms"
        );
    }
}

#[tokio::test]
async fn a_changed_tool_list_is_announced() {
    let server = PythonServer::start(&[]).await;
    let mut client = Client::python().await;
    client.connect(&server.url()).await.unwrap();
    // The announcement is lost when the client's stream is not open yet.
    eventually("the client opens its event stream", async || {
        server.requests().iter().any(|request| request["method"] == "GET").then_some(())
    })
    .await;
    client.call_text("add_tool", json!({"name": "extra"})).await;
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    assert!(client.tool_names().await.unwrap().contains(&"extra".to_owned()));
    client.call_text("remove_tool", json!({"name": "extra"})).await;
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    assert!(!client.tool_names().await.unwrap().contains(&"extra".to_owned()));
}

#[tokio::test]
async fn a_server_shows_the_headers_it_saw() {
    let server = PythonServer::start(&["--require-key", "Bearer k"]).await;
    let mut client = Client::python().await;
    let refusal = client.connect(&server.url()).await.unwrap_err();
    assert_eq!(refusal.status, Some(401));
    let headers = json!({"headers": {"authorization": "Bearer k", "x-seen": "yes"}});
    client.connect_with(&server.url(), headers).await.unwrap();
    assert_eq!(client.call_text("whoami", json!({})).await, "Bearer k");
    let seen = client.call_text("headers", json!({})).await;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["x-seen"], "yes");
    assert_eq!(seen["host"], format!("127.0.0.1:{}", server.port));
    assert_eq!(server.requests()[0]["status"], 401);
}

#[tokio::test]
async fn a_restarted_server_has_forgotten_its_sessions() {
    let (mut python, mut everything) = (PythonServer::start(&[]).await, Everything::start().await);
    let mut client = Client::python().await;
    let [of_python, of_everything] =
        [session(&mut client, &python.url()).await, session(&mut client, &everything.url()).await];
    tokio::join!(python.restart(), everything.restart());
    assert_eq!(list_status(&python.url(), &of_python).await, 404);
    assert_eq!(list_status(&everything.url(), &of_everything).await, 400, "where the specification says 404");
}

#[tokio::test]
async fn a_server_without_sessions_answers_without_a_handshake() {
    let server = PythonServer::start(&["--stateless", "--json"]).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": "grüße"}}});
    let request = reqwest::Client::new().post(server.url()).header("accept", "application/json").json(&call);
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("mcp-session-id"));
    let answer: serde_json::Value = response.json().await.unwrap();
    let echoed: serde_json::Value =
        serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(echoed, json!({"text": "grüße", "length": 5}));
}

#[tokio::test]
async fn envoy_carries_a_call_and_counts_it() {
    let server = PythonServer::start(&[]).await;
    for version in ["envoy", "envoy-1.36"] {
        let port = free_port();
        let bootstrap = plain_proxy(port, server.port);
        Envoy::validate(version, &bootstrap).unwrap();
        let envoy = Envoy::start_version(version, &bootstrap).await;
        let mut client = Client::python().await;
        client.connect(&format!("http://127.0.0.1:{port}/mcp")).await.unwrap();
        assert_eq!(client.call_text("add", json!({"a": 20, "b": 22})).await, "42");
        let stats = envoy.stats("^cluster.server.upstream_rq_total$").await;
        assert!(stats["cluster.server.upstream_rq_total"] >= 3, "{stats:?}");
    }
    assert!(Envoy::validate("envoy", "static_resources: {nonsense: 1}").unwrap_err().contains("nonsense"));
}

#[test]
fn a_process_outlives_the_thread_that_asked_for_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, port) = (free_port(), free_port());
    let mut envoy = std::thread::spawn(move || runtime().block_on(Envoy::start(&plain_proxy(port, server))))
        .join()
        .unwrap();
    runtime().block_on(async {
        for _ in 0..100 {
            assert!(
                envoy.page("/ready").await.is_some(),
                "Envoy was stopped with the thread that asked for it"
            );
        }
        assert!(envoy.process.terminate().await.success());
    });
}

#[tokio::test]
async fn redis_answers_and_comes_back_after_a_kill() {
    let mut redis = Redis::start().await;
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", redis.port)).await.unwrap();
        stream.write_all(b"PING\r\n").await.unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
        redis.restart().await;
    }
}

#[tokio::test]
#[should_panic(expected = "never said hello; it ended")]
async fn a_process_that_ends_early_fails_the_wait_at_once() {
    let mut process = Process::spawn("true", std::process::Command::new("true"));
    process.wait_for_line("hello").await;
}

async fn session(client: &mut Client, url: &str) -> String {
    client.connect(url).await.unwrap();
    let exchanges = client.http().await;
    exchanges[0]["response"]["mcp-session-id"].as_str().unwrap().to_owned()
}

async fn list_status(url: &str, session: &str) -> u16 {
    let request = reqwest::Client::new().post(url).header("mcp-session-id", session);
    let request = request.header("accept", "application/json, text/event-stream");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    request.json(&list).send().await.unwrap().status().as_u16()
}

fn plain_proxy(port: u16, upstream: u16) -> String {
    let address = |port| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "server", "timeout": "0s"}});
    let connections = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    let filter = json!({"name": "http", "typed_config": connections});
    let endpoint = json!({"endpoint": {"address": address(upstream)}});
    json!({"static_resources": {
        "listeners": [{"name": "l", "address": address(port), "filter_chains": [{"filters": [filter]}]}],
        "clusters": [{"name": "server", "type": "STATIC",
            "load_assignment": {"cluster_name": "server", "endpoints": [{"lb_endpoints": [endpoint]}]}}],
    }})
    .to_string()
}
