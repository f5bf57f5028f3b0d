//! Whose host a request names, and which pages may call: DNS rebinding, and other applications on the listener.

use serde_json::{Value, json};

use crate::{
    common::PythonServer,
    raw::{Answer, call},
    setting::{Setting, Shape, config, in_shapes, one_server, server, through_envoy},
};

in_shapes! {
    a_page_of_another_origin_is_refused_before_anything_else: Buffered, Duplex;
    a_host_that_is_not_ours_stays_what_it_is: Buffered, Duplex;
    a_servers_host_answers_only_what_passed_the_router: Buffered, Buffered136, Duplex;
    another_application_on_the_listener_is_left_alone: Buffered, Duplex;
    a_large_upload_to_another_application_does_not_wait_for_the_router: Buffered, Buffered136, Duplex;
}

async fn a_page_of_another_origin_is_refused_before_anything_else(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let before = through_envoy(&python);
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://python.mcp.local"]
    {
        let headers = [("origin", origin), ("mcp-session-id", &*session)];
        let body = call(1, "py_add", json!({"a": 1, "b": 2}));
        setting.post(&headers, body).await.assert_refused(403, -32600, &Value::Null);
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            let request = setting.http.request(method, setting.url()).header("origin", origin);
            let answer = Answer::of(request.header("mcp-session-id", &session).send().await.unwrap()).await;
            answer.assert_refused(403, -32600, &Value::Null);
        }
    }
    assert_eq!(through_envoy(&python), before);
    let own = [("origin", "http://127.0.0.1:1"), ("mcp-session-id", &session)];
    let headers = setting.post(&own, call(1, "py_headers", json!({}))).await.result();
    assert_eq!(headers["origin"], Value::Null, "the origin was for us, not for the server");
}

async fn a_host_that_is_not_ours_stays_what_it_is(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let before = through_envoy(&python);
    for host in ["evil.example", "127.0.0.2", "127.0.0.1.evil.example", "x127.0.0.1"] {
        let headers = [("host", host), ("mcp-session-id", &*session)];
        let answer = setting.post(&headers, call(1, "py_add", json!({"a": 1, "b": 2}))).await;
        assert_eq!(answer.status, 404, "{host}: {answer:?}");
        assert!(!answer.body.is_empty(), "{host}");
    }
    assert_eq!(through_envoy(&python), before);
    let any_port = [("host", "127.0.0.1:9"), ("mcp-session-id", &session)];
    assert_eq!(setting.post(&any_port, call(1, "py_add", json!({"a": 1, "b": 2}))).await.result(), json!(3));
}

async fn a_servers_host_answers_only_what_passed_the_router(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let before = through_envoy(&python);
    for host in ["python.mcp.local", "PYTHON.mcp.local", "python.mcp.local:443"] {
        let headers = [("host", host), ("mcp-session-id", &*session), ("x-mcp-servername", "test/python")];
        let answer = setting.post(&headers, call(1, "add", json!({"a": 1, "b": 2}))).await;
        answer.assert_refused(403, -32600, &Value::Null);
        let get = setting.http.get(setting.url()).header("host", host).send().await.unwrap();
        assert_eq!(get.status(), 403, "{host}");
    }
    assert_eq!(through_envoy(&python), before);
}

/// The same server's routes without the router before them: nothing a client sends opens them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_host_stays_closed_where_the_router_is_missing() {
    let python = PythonServer::start(&[]).await;
    let config = config(&server("python", &python.url(), "py_"));
    let without_router = |bootstrap: String| {
        edited(&bootstrap, |listener| {
            let filters = filters(listener);
            filters.retain(|filter| !filter.to_string().contains("ExternalProcessor"));
            assert_eq!(filters.len(), 1);
        })
    };
    let setting = Setting::start_edited(Shape::Buffered, &config, &[], without_router).await;
    setting.discovered("test/python").await;
    let before = through_envoy(&python);
    for name in ["x-mcp-servername", "mcp_gateway", "mcp_gateway.server", "x-mcp-routed"] {
        let headers = [("host", "python.mcp.local"), (name, "test/python")];
        let answer = setting.post(&headers, call(1, "add", json!({"a": 1, "b": 2}))).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    let broker = setting.post(&[], call(1, "py_add", json!({"a": 1, "b": 2}))).await;
    assert_eq!(broker.status, 403, "the broker believes nobody but the router: {broker:?}");
    assert_eq!(through_envoy(&python), before);
}

async fn another_application_on_the_listener_is_left_alone(shape: Shape) {
    let (setting, _servers) = beside_a_shop(shape, "").await;
    let theirs = [
        ("host", "shop.example.com"),
        ("x-mcp-toolname", "theirs"),
        ("x-mcp-api-key", "theirs"),
        ("origin", "https://anything.example"),
        ("mcp-session-id", "theirs"),
    ];
    let headers = setting.post(&theirs, call(1, "headers", json!({}))).await.result();
    for (name, value) in theirs {
        assert_eq!(headers[name], value, "{headers}");
    }
    let form = setting.posting(&theirs, "a=b").header("content-type", "application/x-www-form-urlencoded");
    let answer = Answer::of(form.send().await.unwrap()).await;
    assert!(!answer.body.contains("mcp-gateway"), "{answer:?}");
}

async fn a_large_upload_to_another_application_does_not_wait_for_the_router(shape: Shape) {
    let (setting, _servers) = beside_a_shop(shape, "limits: {body: 64KiB}\n").await;
    let upload = call(1, "echo", json!({"text": "x".repeat(300_000)}));
    for _upload in 0..10 {
        let answer = setting.post(&[("host", "shop.example.com")], upload.clone()).await;
        // Envoy holds a body back until the router has let it go, and that only up to the limit
        assert!(matches!(answer.status, 200 | 413), "{answer:?}");
    }
}

/// A gateway whose Envoy has another application, `shop.example.com`, on its listener; and `more` configuration.
async fn beside_a_shop(shape: Shape, more: &str) -> (Setting, [PythonServer; 2]) {
    let (python, shop) = tokio::join!(PythonServer::start(&[]), PythonServer::start(&["--stateless"]));
    let servers = [server("python", &python.url(), "py_"), server("shop", &shop.url(), "shop_")];
    let with_shop = |bootstrap: String| {
        edited(&bootstrap, |listener| {
            let hosts = "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
            let hosts = listener.pointer_mut(hosts).unwrap().as_array_mut().unwrap();
            let of_shop = |host: &&Value| host["domains"].to_string().contains("shop.mcp.local");
            let cluster = find(hosts.iter().find(of_shop).unwrap(), "cluster").unwrap().clone();
            let route = json!({"match": {"prefix": "/"}, "route": {"cluster": cluster}});
            hosts.push(json!({"name": "shop", "domains": ["shop.example.com"], "routes": [route]}));
        })
    };
    let setting = Setting::start_edited(shape, &(config(&servers.concat()) + more), &[], with_shop).await;
    (setting, [python, shop])
}

/// The bootstrap with its listener edited.
pub(crate) fn edited(bootstrap: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut bootstrap: Value = serde_saphyr::from_str(bootstrap).unwrap();
    edit(bootstrap.pointer_mut("/static_resources/listeners/0").unwrap());
    bootstrap.to_string()
}

pub(crate) fn with_filter(bootstrap: &str, at: usize, filter: Value) -> String {
    edited(bootstrap, |listener| filters(listener).insert(at, filter))
}

fn filters(listener: &mut Value) -> &mut Vec<Value> {
    listener
        .pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters")
        .unwrap()
        .as_array_mut()
        .unwrap()
}

/// The first value of `key`, however deep.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => {
            members.get(key).or_else(|| members.values().find_map(|value| find(value, key)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
