//! Virtual servers: what they hide is not callable, however the request came to be limited.

use serde_json::json;

use crate::{
    common::{Client, PythonServer},
    hosts::with_filter,
    raw::{call, request},
    setting::{Setting, Shape, config, in_shapes, server, session_of},
};

in_shapes! {
    a_path_limits_lists_and_calls: Buffered, Duplex;
    a_filter_after_the_router_limits_the_session: Buffered;
    a_filter_before_the_router_limits_every_request: Buffered;
}

const VIEWS: &str =
    "virtualServers:\n  - {name: test/adders, tools: [py_add]}\n  - {name: test/echoers, tools: [py_echo]}\n";

async fn start(shape: Shape, edit: impl FnOnce(String) -> String) -> (Setting, PythonServer) {
    let python = PythonServer::start(&["--stateless"]).await;
    let config = config(&server("python", &python.url(), "py_")) + VIEWS;
    let setting = Setting::start_edited(shape, &config, &[], edit).await;
    setting.discovered("test/python").await;
    (setting, python)
}

async fn a_path_limits_lists_and_calls(shape: Shape) {
    let (setting, _python) = start(shape, |bootstrap| bootstrap).await;
    let mut client = Client::python().await;
    client.connect(&format!("{}/virtual/test/adders", setting.url())).await.unwrap();
    assert_eq!(client.tool_names().await.unwrap(), ["py_add"]);
    assert_eq!(client.call_text("py_add", json!({"a": 1, "b": 2})).await, "3");
    assert_eq!(client.call("py_echo", json!({"text": "x"})).await.unwrap_err().code, Some(-32602));
    // a session that began there stays limited at the other endpoint
    let session = session_of(&mut client).await;
    setting.call(&session, "py_echo", json!({"text": "x"})).await.assert_refused(200, -32602, &json!(1));
    let list = setting.post(&[("mcp-session-id", &session)], request(1, "tools/list", json!({}))).await;
    assert_eq!(list.json()["result"]["tools"].as_array().unwrap().len(), 1);
    let unknown = Client::python().await.connect(&format!("{}/virtual/test/none", setting.url())).await;
    assert_eq!(unknown.unwrap_err().status, Some(404));
}

async fn a_filter_after_the_router_limits_the_session(shape: Shape) {
    let lua = json!({"name": "set", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "function envoy_on_request(h) h:headers():replace('x-mcp-virtualserver', 'test/adders') end"},
    }});
    let (setting, _python) = start(shape, |bootstrap| with_filter(&bootstrap, 1, lua)).await;
    let session = setting.session().await;
    let list = setting.post(&[("mcp-session-id", &session)], request(1, "tools/list", json!({}))).await;
    assert_eq!(list.json()["result"]["tools"][0]["name"], "py_add", "{list:?}");
    assert_eq!(setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await.result(), json!(3));
    setting.call(&session, "py_echo", json!({"text": "x"})).await.assert_refused(200, -32602, &json!(1));
}

async fn a_filter_before_the_router_limits_every_request(shape: Shape) {
    let lua = json!({"name": "set", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "function envoy_on_request(h) h:streamInfo():dynamicMetadata():set('mcp_gateway', 'virtual_server', 'test/adders') end"},
    }});
    let (setting, _python) = start(shape, |bootstrap| with_filter(&bootstrap, 0, lua)).await;
    let list = setting.post(&[], request(1, "tools/list", json!({}))).await;
    assert_eq!(list.json()["result"]["tools"].as_array().map(Vec::len), Some(1), "{list:?}");
    assert_eq!(setting.post(&[], call(1, "py_add", json!({"a": 1, "b": 2}))).await.result(), json!(3));
    setting.post(&[], call(1, "py_echo", json!({"text": "x"}))).await.assert_refused(200, -32602, &json!(1));
}
