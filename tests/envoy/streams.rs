//! Answers that stream, and notifications.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::{
    common::eventually,
    raw::{Answer, call},
    setting::{Shape, in_shapes, one_server},
};

in_shapes! {
    progress_arrives_while_the_tool_runs: Buffered, Buffered136, Duplex;
    a_notification_arrives_when_a_servers_tools_change: Buffered;
    a_call_under_way_survives_the_gateways_graceful_stop: Buffered;
}

async fn progress_arrives_while_the_tool_runs(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let mut client = setting.python().await;
    let result = client.call("py_progress", json!({"steps": 4, "delay_ms": 400})).await.unwrap();
    let progress = result["progress"].as_array().unwrap();
    assert_eq!(progress.len(), 4, "{result}");
    // each is there before the next step begins to wait for long: not all at once at the end
    let (first, end) = (progress[0]["at_ms"].as_f64().unwrap(), result["elapsed_ms"].as_f64().unwrap());
    assert!(end - first > 1_000.0, "the first came {first} ms and the answer {end} ms after the call");
}

async fn a_notification_arrives_when_a_servers_tools_change(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let mut client = setting.python().await;
    client.call_text("py_add_tool", json!({"name": "novel"})).await;
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    assert!(client.tool_names().await.unwrap().contains(&"py_novel".to_owned()));
    assert_eq!(client.call_text("py_novel", json!({})).await, "I am novel");
    client.call_text("py_remove_tool", json!({"name": "novel"})).await;
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    assert!(!client.tool_names().await.unwrap().contains(&"py_novel".to_owned()));
}

async fn a_call_under_way_survives_the_gateways_graceful_stop(shape: Shape) {
    // with JSON answers the response's head comes with the result, and Envoy waits for the router until then
    let (mut setting, _python) = one_server(shape, &["--json"]).await;
    let session = setting.session().await;
    let body = call(1, "py_slow", json!({"seconds": 3}));
    let calling = setting.posting(&[("mcp-session-id", &session)], body).send();
    let stopping = async {
        eventually("the call is under way", async || {
            let active = setting.envoy.stats("cluster..*python.*upstream_rq_active").await;
            active.values().any(|active| *active > 0).then_some(())
        })
        .await;
        let began = Instant::now();
        let status = setting.gateway.terminate().await;
        assert!(status.success() && began.elapsed() < Duration::from_secs(30), "{status}");
    };
    let (answer, ()) = tokio::join!(calling, stopping);
    let answer = Answer::of(answer.unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.headers.contains_key("mcp-session-id"), "{answer:?}");
    assert!(answer.json()["result"].is_object(), "{answer:?}");
}
