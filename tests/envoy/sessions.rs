//! Sessions: missing, unknown, expired, ended; and server sessions that are lost and made again.

use serde_json::{Value, json};

use crate::{
    common::{PythonServer, eventually},
    raw::{Answer, call, request},
    setting::{Setting, Shape, TwoServers, config, in_shapes, one_server, server},
};

in_shapes! {
    a_session_that_is_missing_unknown_or_ended_is_told_apart: Buffered, Duplex;
    an_expired_session_is_told: Buffered;
    a_server_that_restarts_is_not_noticed: Buffered, Buffered136, Duplex;
    a_server_session_is_opened_once_however_many_calls_need_it: Buffered;
    a_restarted_gateway_with_the_same_key_knows_its_sessions: Buffered;
    a_server_that_refuses_a_session_is_told_clearly: Buffered;
}

async fn a_session_that_is_missing_unknown_or_ended_is_told_apart(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let set_level = request(5, "logging/setLevel", json!({"level": "info"}));
    setting.post(&[], set_level).await.assert_refused(400, -32600, &json!(5));
    let session = setting.session().await;
    let mut forged = session.clone();
    forged.replace_range(20..21, if &session[20..21] == "A" { "B" } else { "A" });
    for unknown in ["nonsense", &forged, &session[..session.len() - 1]] {
        setting.call(unknown, "py_add", json!({"a": 1, "b": 2})).await.assert_refused(404, -32600, &json!(1));
        let list = setting.post(&[("mcp-session-id", unknown)], request(2, "tools/list", json!({}))).await;
        list.assert_refused(404, -32600, &json!(2));
    }
    assert_eq!(setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await.status, 200);
    let ended = setting.http.delete(setting.url()).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await.assert_refused(404, -32600, &json!(1));
    let again = setting.http.delete(setting.url()).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(again.status(), 404);
}

async fn an_expired_session_is_told(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let config = config(&server("python", &python.url(), "py_"));
    let setting = Setting::start_with(shape, &config, &["--session-lifetime", "1s"]).await;
    setting.discovered("test/python").await;
    let session = setting.session().await;
    let answer = eventually("the session has expired", async || {
        let answer = setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    answer.assert_refused(404, -32600, &json!(1));
    assert!(answer.body.contains("expired") && answer.body.contains("initialize"), "{answer:?}");
}

async fn a_server_that_restarts_is_not_noticed(shape: Shape) {
    let mut two = TwoServers::start(shape).await;
    let mut client = two.setting.python().await;
    for round in 0..2 {
        assert_eq!(client.call_text("py_add", json!({"a": round, "b": 3})).await, (round + 3).to_string());
        assert_eq!(
            client.call_text("ev_echo", json!({"message": round.to_string()})).await,
            format!("Echo: {round}")
        );
        two.python.restart().await;
        two.everything.restart().await;
    }
    // the replay streams: progress comes while the tool runs
    let result = client.call("py_progress", json!({"steps": 3, "delay_ms": 400})).await.unwrap();
    assert_eq!(result["progress"].as_array().map(Vec::len), Some(3), "{result}");
    let (first, end) =
        (result["progress"][0]["at_ms"].as_f64().unwrap(), result["elapsed_ms"].as_f64().unwrap());
    // Envoy lets an answer be replaced piece by piece only where bodies are not full duplex already
    assert!(matches!(shape, Shape::Duplex) || end - first > 700.0, "{result}");
    assert_eq!(client.call_text("ev_echo", json!({"message": "end"})).await, "Echo: end");
    // the same with a large body
    two.python.restart().await;
    let text = "r".repeat(200_000);
    let echoed: Value =
        serde_json::from_str(&client.call_text("py_echo", json!({"text": text})).await).unwrap();
    assert_eq!(echoed["length"], 200_000);
}

async fn a_server_session_is_opened_once_however_many_calls_need_it(shape: Shape) {
    let (setting, mut python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let headers = [("mcp-session-id", &*session)];
    for _restart in 0..2 {
        let before = hairpins(&python);
        let calls = (0..20_i64).map(|number| {
            let body = call(number, "py_add", json!({"a": number, "b": 1}));
            setting.post(&headers, body)
        });
        let answers: Vec<Answer> = futures_util::future::join_all(calls).await;
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer.result(), json!(number + 1));
        }
        assert_eq!(hairpins(&python) - before, 1, "one initialize came through Envoy");
        python.restart().await;
    }
}

/// How many sessions were opened through Envoy so far; the broker's own connection does not pass it.
fn hairpins(python: &PythonServer) -> usize {
    let opens = |headers: &Value| headers["mcp-session-id"].is_null() && headers["x-request-id"].is_string();
    python
        .requests()
        .iter()
        .filter(|request| request["method"] == "POST" && opens(&request["headers"]))
        .count()
}

async fn a_restarted_gateway_with_the_same_key_knows_its_sessions(shape: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
    let mut two = TwoServers::start_with(shape, &["--session-key-file", keys.to_str().unwrap()]).await;
    let mut client = two.setting.python().await;
    assert_eq!(client.call_text("py_add", json!({"a": 1, "b": 3})).await, "4");
    two.setting.gateway.restart().await;
    two.setting.discovered("test/python").await;
    two.setting.discovered("test/everything").await;
    assert_eq!(client.call_text("py_add", json!({"a": 2, "b": 3})).await, "5");
    assert_eq!(client.call_text("ev_echo", json!({"message": "again"})).await, "Echo: again");
    // another key comes first, the old one still opens
    std::fs::write(
        &keys,
        "YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk=\nMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    )
    .unwrap();
    two.setting.gateway.restart().await;
    two.setting.discovered("test/python").await;
    assert_eq!(client.call_text("py_add", json!({"a": 3, "b": 3})).await, "6");
}

async fn a_server_that_refuses_a_session_is_told_clearly(shape: Shape) {
    let python = PythonServer::start(&["--require-key", "Bearer right"]).await;
    // the key is good for discovery only, so calls come without one
    let line = format!(
        "  - {{name: test/python, url: \"{}\", hostname: python.mcp.local, toolPrefix: py_, credential: Bearer right, callCredential: never}}\n",
        python.url()
    );
    let setting = Setting::start(shape, &line).await;
    setting.discovered("test/python").await;
    let session = setting.session().await;
    let refused = setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await;
    refused.assert_refused(502, -32603, &json!(1));
    assert!(refused.body.contains("401") && refused.body.contains("test/python"), "{refused:?}");
    let body = call(1, "py_add", json!({"a": 1, "b": 2}));
    let own = setting.post(&[("mcp-session-id", &session), ("authorization", "Bearer right")], body).await;
    assert_eq!(own.result(), json!(3));
}
