//! What Envoy's own counters say of how much it asks the gateway.

use serde_json::{Value, json};

use crate::{
    common::{PythonServer, eventually},
    raw::{Answer, call, request},
    setting::{Setting, Shape, in_shapes, one_server, server},
};

in_shapes! {
    answers_that_need_no_change_are_never_sent_to_the_gateway: Buffered, Buffered136;
    answers_that_may_need_a_change_are_sent: Buffered, Buffered136;
    an_idle_stream_holds_no_ext_proc_stream: Buffered, Duplex;
}

/// Request headers, request body, response headers.
const MESSAGES_A_CALL: u64 = 3;
const CALLS: u64 = 5;
const LONG: usize = 500_000;
const STEPS: usize = 300;

async fn answers_that_need_no_change_are_never_sent_to_the_gateway(shape: Shape) {
    let (events, json) = tokio::join!(PythonServer::start(&[]), PythonServer::start(&["--json"]));
    for server_under_test in [&events, &json] {
        let setting = Setting::start(shape, &server("python", &server_under_test.url(), "py_")).await;
        setting.discovered("test/python").await;
        let session = setting.session().await;
        setting.call(&session, "py_add", json!({"a": 1, "b": 1})).await; // opens the server's session
        for (answer_holds, body) in [
            ("ok", call(1, "py_echo", json!({"text": "ok"}))),
            (&*"x".repeat(LONG), call(2, "py_echo", json!({"text": "x".repeat(LONG)}))),
            ("300 steps", progress(STEPS)),
        ] {
            let before = sent(&setting).await;
            for _ in 0..CALLS {
                let answer = setting.post(&[("mcp-session-id", &session)], body.clone()).await;
                assert!(answer.body.contains(answer_holds), "{answer:?}");
            }
            assert_eq!(sent(&setting).await - before, MESSAGES_A_CALL * CALLS, "{answer_holds:.20}");
        }
        closed(&setting).await;
    }
}

/// The counter sees bodies where they are sent: a client that can be asked may be asked on any stream.
async fn answers_that_may_need_a_change_are_sent(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let session = session(&setting, json!({"elicitation": {}})).await;
    let headers = [("mcp-session-id", &*session)];
    setting.post(&headers, progress(STEPS)).await;
    let before = sent(&setting).await;
    let answer = setting.post(&headers, progress(STEPS)).await;
    assert_eq!(answer.body.matches("notifications/progress").count(), STEPS, "{answer:?}");
    assert!(sent(&setting).await - before > MESSAGES_A_CALL);
    closed(&setting).await;
}

async fn an_idle_stream_holds_no_ext_proc_stream(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let get = setting.http.get(setting.url()).header("accept", "text/event-stream");
    let mut stream = get.header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    setting.call(&session, "py_add", json!({"a": 1, "b": 1})).await;
    closed(&setting).await;
    // and it is a living one
    setting.call(&session, "py_add_tool", json!({"name": "novel"})).await;
    let mut heard = String::new();
    eventually("the stream says that the tools have changed", async || {
        heard += &String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("the stream ended"));
        heard.contains("notifications/tools/list_changed").then_some(())
    })
    .await;
    closed(&setting).await;
}

fn progress(steps: usize) -> String {
    let arguments = json!({"steps": steps, "delay_ms": 0});
    let meta = json!({"progressToken": 1});
    request(3, "tools/call", json!({"name": "py_progress", "arguments": arguments, "_meta": meta}))
}

/// A session of a client that can do what `capabilities` says.
async fn session(setting: &Setting, capabilities: Value) -> String {
    let client = json!({"name": "raw", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client});
    let answer: Answer = setting.post(&[], request(0, "initialize", params)).await;
    answer.headers["mcp-session-id"].to_str().unwrap().to_owned()
}

/// How many messages Envoy has sent to the gateway.
async fn sent(setting: &Setting) -> u64 {
    setting.envoy.stats("ext_proc.stream_msgs_sent").await.values().sum()
}

/// Waits until no ext_proc stream is open.
async fn closed(setting: &Setting) {
    eventually("no ext_proc stream is left open", async || {
        let open = setting.envoy.stats("cluster..*ext_proc.*upstream_rq_active").await;
        assert!(!open.is_empty(), "Envoy has no such counter");
        (open.values().sum::<u64>() == 0).then_some(())
    })
    .await;
}
