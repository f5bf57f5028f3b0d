//! The broker with real servers and real clients, without Envoy between them.

use crate::common::{Client, Everything, PythonServer};
use crate::gateway::{Gateway, LIST, eventually, server, spec};
use mcp_gateway::credentials;
use mcp_gateway::exchange::Tokens;
use mcp_gateway::routing::ServerSpec;
use serde_json::json;

/// Tools of `tests/peers/server.py`.
const PYTHON_TOOLS: usize = 8;

fn at(name: &str, url: &str, prefix: &str) -> ServerSpec {
    server(name, &url.parse().unwrap(), prefix)
}

#[tokio::test]
async fn real_servers_are_discovered_whatever_they_answer_with() {
    let events = PythonServer::start(&[]).await;
    let json = PythonServer::start(&["--stateless", "--json", "--require-key", "Bearer k3y"]).await;
    let old = PythonServer::start_1(&[]).await;
    let everything = Everything::start().await;
    let mut keyed = at("json", &json.url(), "json_");
    keyed.credential = Some(credentials::credential("Bearer k3y").unwrap());
    let servers = [
        at("events", &events.url(), "events_"),
        keyed,
        at("old", &old.url(), "old_"),
        at("everything", &everything.url(), "every_"),
    ];
    let gateway = Gateway::start(spec(&servers)).await;
    eventually("all servers", async || gateway.broker.status().servers.iter().all(|server| server.reachable))
        .await;
    for (name, tools, sessions) in [
        ("events", PYTHON_TOOLS, true),
        ("json", PYTHON_TOOLS, false),
        ("old", PYTHON_TOOLS, true),
        ("everything", 17, true),
    ] {
        let status = gateway.status(name);
        assert_eq!((status.tools, status.issues_sessions), (tools, sessions), "{status:?}");
        assert_eq!((status.revision, status.rejected.len()), (Some("2025-11-25"), 0), "{status:?}");
    }
    eventually("all tools", async || gateway.tools().await.len() == 3 * PYTHON_TOOLS + 17).await;
    let status = gateway.status("everything");
    assert_eq!((status.prompts, status.resources, status.resource_templates), (4, 7, 2), "{status:?}");
    assert!(status.offers_stream && status.has_event_ids, "{status:?}");
    assert!(!gateway.status("events").has_event_ids);
    let prompts = ["args-prompt", "completable-prompt", "resource-prompt", "simple-prompt"];
    gateway
        .wait_for_list(
            "prompts/list",
            &prompts.map(|name| format!("every_{name}")).each_ref().map(String::as_str),
        )
        .await;
    assert!(
        gateway.listed("resources/list").await.iter().all(|uri| uri.starts_with("demo://resource/static/"))
    );
    let templates = ["blob", "text"].map(|kind| format!("demo://resource/dynamic/{kind}/{{resourceId}}"));
    assert_eq!(gateway.listed("resources/templates/list").await, templates);
    let announced = gateway.initialized().await;
    for capability in ["prompts", "resources", "completions", "logging", "tasks"] {
        assert!(announced["capabilities"][capability].is_object(), "{capability}: {announced}");
    }
    let instructions = announced["instructions"].as_str().unwrap();
    assert!(instructions.contains("\n## everything (tools begin with every_)\n### "), "{instructions}");
}

#[tokio::test]
async fn a_real_server_announces_a_tool_and_is_started_again() {
    let mut python = PythonServer::start(&[]).await;
    let gateway = Gateway::start(spec(&[at("py", &python.url(), "py_")])).await;
    eventually("the tools", async || gateway.tools().await.len() == PYTHON_TOOLS).await;
    let stream = || python.requests().iter().any(|seen| seen["method"] == "GET" && seen["status"] == 200);
    eventually("the event stream", async || stream()).await;
    let mut direct = Client::python().await;
    direct.connect(&python.url()).await.unwrap();
    direct.call_text("add_tool", json!({"name": "fresh"})).await;
    eventually("the new tool", async || gateway.tools().await.contains(&"py_fresh".to_owned())).await;
    python.restart().await;
    eventually("the tools of the new process", async || gateway.tools().await.len() == PYTHON_TOOLS).await;
    assert!(gateway.status("py").reachable);
}

#[tokio::test]
async fn real_clients_of_every_kind_list_and_hear_of_changes() {
    let python = PythonServer::start(&[]).await;
    let gateway = Gateway::start(spec(&[at("py", &python.url(), "py_")])).await;
    eventually("the tools", async || gateway.tools().await.len() == PYTHON_TOOLS).await;
    let expected = gateway.tools().await;
    let mut direct = Client::python().await;
    direct.connect(&python.url()).await.unwrap();
    for (place, (mut client, mode)) in [
        (Client::python().await, "auto"),
        (Client::python().await, "legacy"),
        (Client::python_1().await, "legacy"),
        (Client::typescript().await, "legacy"),
    ]
    .into_iter()
    .enumerate()
    {
        let headers = json!({"x-mcp-routed": gateway.sealer.seal_routed(&[])});
        let connected =
            client.connect_with(&gateway.url, json!({"mode": mode, "headers": headers})).await.unwrap();
        assert_eq!(connected["serverInfo"]["name"], "mcp-gateway", "{place}: {connected}");
        let before = gateway.list(gateway.post(LIST)).await;
        assert_eq!(client.tools().await.unwrap().len(), before["result"]["tools"].as_array().unwrap().len());
        assert!(expected.iter().all(|name| before.to_string().contains(name)));
        direct.call_text("add_tool", json!({"name": format!("fresh{place}")})).await;
        client.wait_notification("notifications/tools/list_changed").await.unwrap();
        let names = client.tool_names().await.unwrap();
        assert!(names.contains(&format!("py_fresh{place}")), "{place}: {names:?}");
        client.close().await.unwrap();
    }
}
