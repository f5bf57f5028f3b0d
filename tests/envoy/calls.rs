//! Lists and calls of two servers through one endpoint.

use serde_json::{Value, json};

use crate::{
    common::Client,
    raw::{call, request},
    setting::{Shape, TwoServers, in_shapes, one_server, through_envoy},
};

in_shapes! {
    a_client_lists_and_calls_both_servers: Buffered, Buffered136, Duplex, Socket;
    clients_of_other_sdks_call_too: Buffered;
    a_wrong_tool_is_told_and_reaches_nobody: Buffered, Duplex;
    a_server_gets_every_byte_but_the_prefix: Buffered, Buffered136, Duplex;
    calls_of_many_clients_at_once_do_not_mix: Buffered, Duplex;
}

async fn a_client_lists_and_calls_both_servers(shape: Shape) {
    let two = TwoServers::start(shape).await;
    let mut client = Client::python().await;
    let connected = client.connect(&two.setting.url()).await.unwrap();
    assert_eq!(connected["protocolVersion"], "2025-11-25");
    assert_eq!(connected["serverInfo"]["name"], "mcp-gateway");
    let names = client.tool_names().await.unwrap();
    assert!(names.contains(&"py_add".to_owned()) && names.contains(&"ev_echo".to_owned()), "{names:?}");
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(client.call_text("py_add", json!({"a": 2, "b": 3})).await, "5");
    assert_eq!(client.call_text("ev_echo", json!({"message": "hi"})).await, "Echo: hi");
    let echoed: Value =
        serde_json::from_str(&client.call_text("py_echo", json!({"text": "ünï"})).await).unwrap();
    assert_eq!(echoed, json!({"text": "ünï", "length": 3}));
    client.ask(json!({"op": "ping"})).await.unwrap();
    client.close().await.unwrap();
}

async fn clients_of_other_sdks_call_too(shape: Shape) {
    let two = TwoServers::start(shape).await;
    for mut client in [Client::python_1().await, Client::typescript().await] {
        client.connect(&two.setting.url()).await.unwrap();
        assert!(client.tool_names().await.unwrap().contains(&"ev_echo".to_owned()));
        assert_eq!(client.call_text("py_add", json!({"a": 2, "b": 3})).await, "5");
        assert_eq!(client.call_text("ev_echo", json!({"message": "hi"})).await, "Echo: hi");
    }
    // a client that would rather speak 2026-07-28 falls back
    let mut client = Client::python().await;
    let connected = client.connect_with(&two.setting.url(), json!({"mode": "auto"})).await.unwrap();
    assert_eq!(connected["protocolVersion"], "2025-11-25");
    assert_eq!(client.call_text("py_add", json!({"a": 2, "b": 3})).await, "5");
}

async fn a_wrong_tool_is_told_and_reaches_nobody(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let mut client = setting.python().await;
    let before = through_envoy(&python);
    for wrong in ["py_nope", "add", "py_", "PY_add", "ev_echo", "py_add\n"] {
        let refusal = client.call(wrong, json!({})).await.unwrap_err();
        assert_eq!(refusal.code, Some(-32602), "{wrong:?}: {refusal:?}");
    }
    let session = setting.session().await;
    setting.call(&session, "nope", json!({})).await.assert_refused(200, -32602, &json!(1));
    assert_eq!(through_envoy(&python), before);
}

async fn a_server_gets_every_byte_but_the_prefix(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    // key order, white space, number spelling, escapes, unknown members and the prefix elsewhere stay as they are
    let body = r#" {"params": {"arguments":{"text":"py_echo 1.0 \u00fc 12345678901234567890"}, "_meta" : {"x":1e2},"name":"py_echo" } , "method":"tools/call","id":"a\"b","jsonrpc":"2.0"}"#;
    let answer = setting.post(&[("mcp-session-id", &session)], body).await;
    assert_eq!(answer.result()["text"], "py_echo 1.0 ü 12345678901234567890");
    assert_eq!(answer.json()["id"], "a\"b");
    let headers = setting.call(&session, "py_headers", json!({})).await.result();
    let sent = call(1, "headers", json!({})).len();
    let length = headers.get("content-length").map(|length| length.as_str().unwrap().to_owned());
    let chunked = headers.get("transfer-encoding").is_some();
    assert!(length == Some(sent.to_string()) || (length.is_none() && chunked), "{headers}");
}

async fn calls_of_many_clients_at_once_do_not_mix(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let callers = (0..40).map(async |number| {
        let session = setting.session().await;
        for round in 0..5 {
            let text = format!("{number}-{round}");
            let answer = setting.call(&session, "py_echo", json!({"text": text})).await;
            assert_eq!(answer.result()["text"], text);
        }
        let list = setting.post(&[("mcp-session-id", &session)], request(9, "tools/list", json!({}))).await;
        assert_eq!((list.status, &list.json()["id"]), (200, &json!(9)));
    });
    futures_util::future::join_all(callers).await;
}
