//! Plain `curl`, as the guide shows it.

use serde_json::json;

use crate::{
    raw::{Answer, call, request},
    setting::{Setting, Shape, in_shapes, one_server},
};

in_shapes! {
    tools_are_listed_without_a_session: Buffered, Duplex;
    a_call_without_a_session_is_served_where_the_server_issues_none: Buffered, Duplex;
    a_call_without_a_session_says_to_initialize_where_it_does: Buffered;
    a_client_that_probes_for_2026_07_28_is_sent_to_initialize: Buffered;
}

async fn curl(setting: &Setting, body: String) -> Answer {
    setting.post(&[("accept", "*/*"), ("user-agent", "curl/8.5.0")], body).await
}

async fn tools_are_listed_without_a_session(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let answer = curl(&setting, request(1, "tools/list", json!({}))).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
    let tools = answer.json()["result"]["tools"].as_array().unwrap().clone();
    assert!(
        tools.iter().any(|tool| tool["name"] == "py_add" && tool["inputSchema"]["type"] == "object"),
        "{tools:?}"
    );
}

async fn a_call_without_a_session_is_served_where_the_server_issues_none(shape: Shape) {
    let (setting, _python) = one_server(shape, &["--stateless"]).await;
    let answer = curl(&setting, call(7, "py_echo", json!({"text": "hi"}))).await;
    assert_eq!((answer.result()["text"].as_str(), &answer.json()["id"]), (Some("hi"), &json!(7)));
    let session = setting.session().await;
    assert_eq!(setting.call(&session, "py_echo", json!({"text": "hi"})).await.result()["text"], "hi");
}

async fn a_call_without_a_session_says_to_initialize_where_it_does(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let answer = curl(&setting, call(7, "py_add", json!({"a": 1, "b": 2}))).await;
    answer.assert_refused(400, -32600, &json!(7));
    assert!(answer.body.contains("initialize"), "{answer:?}");
}

async fn a_client_that_probes_for_2026_07_28_is_sent_to_initialize(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
    let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}});
    let answer = setting.post(&modern, request(1, "server/discover", meta)).await;
    answer.assert_refused(400, -32600, &json!(1));
    let plain = setting.post(&[], request(1, "server/discover", json!({}))).await;
    assert!(
        plain.json()["error"]["code"].as_i64().is_some_and(|code| !(-32099..=-32020).contains(&code)),
        "{plain:?}"
    );
    let unknown =
        setting.post(&[("mcp-protocol-version", "1999-01-01")], request(1, "tools/list", json!({}))).await;
    unknown.assert_refused(400, -32600, &json!(1));
    assert!(unknown.body.contains("2025-11-25"), "{unknown:?}");
}
