//! Two gateways that share sessions in a real Redis, and a Redis that dies and comes back.

use serde_json::{Value, json};

use crate::{
    common::{PythonServer, Redis, eventually},
    raw::call,
    setting::{Setting, Shape, config, server},
};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

struct Shared {
    one: Setting,
    other: Setting,
    redis: Redis,
    python: PythonServer,
    _keys: tempfile::TempDir,
}

async fn shared() -> Shared {
    let (redis, python) = tokio::join!(Redis::start(), PythonServer::start(&[]));
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, KEY).unwrap();
    let config = config(&server("python", &python.url(), "py_"));
    let url = redis.url();
    let arguments = ["--session-key-file", keys.to_str().unwrap(), "--redis-url", &url];
    let one = Setting::start_with(Shape::Buffered, &config, &arguments).await;
    let other = Setting::start_with(Shape::Buffered, &config, &arguments).await;
    one.discovered("test/python").await;
    other.discovered("test/python").await;
    Shared { one, other, redis, python, _keys: folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_sessions_and_what_ended_at_one_has_ended_at_the_other() {
    let mut shared = shared().await;
    let session = shared.one.session().await;
    let add = json!({"a": 1, "b": 2});
    assert_eq!(shared.one.call(&session, "py_add", add.clone()).await.result(), json!(3));
    let before = server_sessions(&shared.python);
    assert_eq!(shared.other.call(&session, "py_add", add.clone()).await.result(), json!(3));
    shared.one.gateway.restart().await;
    shared.one.discovered("test/python").await;
    assert_eq!(shared.one.call(&session, "py_add", add.clone()).await.result(), json!(3));
    assert_eq!(
        server_sessions(&shared.python),
        before,
        "neither the other replica nor a restart opened a session anew"
    );
    let ended =
        shared.other.http.delete(shared.other.url()).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(ended.status(), 200);
    shared.one.call(&session, "py_add", add).await.assert_refused(404, -32600, &json!(1));
}

/// The session ids in which tools were called so far.
fn server_sessions(python: &PythonServer) -> std::collections::BTreeSet<String> {
    let requests = python.requests();
    let routed = requests.iter().filter(|request| request["headers"]["x-mcp-method"] == "tools/call");
    routed.filter_map(|request| request["headers"]["mcp-session-id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_errors_are_clear_and_nothing_wrong_is_served() {
    let mut shared = shared().await;
    let session = shared.one.session().await;
    let add = json!({"a": 1, "b": 2});
    assert_eq!(shared.one.call(&session, "py_add", add.clone()).await.result(), json!(3));
    shared.redis.process.kill();
    let answer = shared.one.call(&session, "py_add", add.clone()).await;
    answer.assert_refused(503, -32603, &json!(1));
    assert!(answer.body.contains("session store"), "{answer:?}");
    let list = shared.one.post(&[], crate::raw::request(2, "tools/list", json!({}))).await;
    assert_eq!(list.status, 200, "what needs no store is served: {list:?}");
    shared.redis.restart().await;
    // Redis is empty: the server session is made again, and the gateway's own session was never in doubt
    let again = eventually("calls work again", async || {
        let answer = shared.other.post(&[("mcp-session-id", &session)], call(1, "py_add", add.clone())).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(again.result(), json!(3));
    let forged: Value = json!("forged");
    shared.one.call(forged.as_str().unwrap(), "py_add", add).await.assert_refused(404, -32600, &json!(1));
}
