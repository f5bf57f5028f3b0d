//! Header fields that only the gateway may set: what a client sends of them reaches neither a server nor the broker.

use serde_json::{Value, json};

use crate::{
    raw::{Answer, call, request},
    setting::{Setting, Shape, in_shapes, one_server, through_envoy},
};

in_shapes! {
    what_a_client_sends_of_ours_reaches_no_server: Buffered, Buffered136, Duplex;
    what_a_client_sends_of_ours_is_no_truth_to_the_broker: Buffered, Duplex;
    a_client_cannot_make_the_gateways_own_requests: Buffered, Duplex;
    the_policy_headers_say_what_is_called: Buffered, Duplex;
}

const OURS: &[&str] = &[
    "x-mcp-method",
    "x-mcp-toolname",
    "x-mcp-promptname",
    "x-mcp-resourceuri",
    "x-mcp-servername",
    "x-mcp-annotation-hints",
    "x-mcp-api-key",
    "x-mcp-authorized",
    "x-mcp-virtualserver",
    "x-mcp-verified-sub",
    "x-mcp-routed",
    "x-mcp-anything",
    "x_mcp_authorized",
];

const FORGED: &str = "forged-by-the-client";

async fn what_a_client_sends_of_ours_reaches_no_server(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    for name in OURS {
        let forged = [("mcp-session-id", &*session), (name, FORGED), ("mcp-method", "x"), ("mcp-name", "x")];
        let headers = setting.post(&forged, call(1, "py_headers", json!({}))).await.result();
        let values = headers.to_string();
        assert!(!values.contains(FORGED), "{name}: {headers}");
    }
    // the requests that open the server's session carried none either
    assert!(python.requests().iter().all(|request| !request.to_string().contains(FORGED)));
}

async fn what_a_client_sends_of_ours_is_no_truth_to_the_broker(shape: Shape) {
    let (setting, _python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let list = request(1, "tools/list", json!({}));
    let honest = setting.post(&[("mcp-session-id", &session)], list.clone()).await.json();
    for name in OURS {
        let forged = [("mcp-session-id", &*session), (name, "mcp-test/none")];
        assert_eq!(setting.post(&forged, list.clone()).await.json(), honest, "{name}");
        for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::POST] {
            let plain = with(&setting, method.clone(), None).await;
            let forged = with(&setting, method.clone(), Some(name)).await;
            assert_eq!((plain.status, plain.body), (forged.status, forged.body), "{method} {name}");
        }
    }
}

/// A request without a session; a POST is a form to another path.
async fn with(setting: &Setting, method: reqwest::Method, forged: Option<&str>) -> Answer {
    let path = if method == reqwest::Method::POST { "/tokens" } else { "/mcp" };
    let mut request = setting.http.request(method.clone(), format!("http://{}{path}", setting.listen));
    if method == reqwest::Method::POST {
        request = request.header("content-type", "application/x-www-form-urlencoded").body("token=x");
    }
    if let Some(name) = forged {
        request = request.header(name, FORGED);
    }
    Answer::of(request.send().await.unwrap()).await
}

async fn a_client_cannot_make_the_gateways_own_requests(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let before = through_envoy(&python);
    for right in ["", FORGED, &session] {
        let initialize =
            request(1, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}}));
        let headers = [("x-mcp-hairpin", right), ("mcp-session-id", &*session)];
        setting.post(&headers, initialize).await.assert_refused(403, -32600, &Value::Null);
    }
    assert_eq!(through_envoy(&python), before);
}

async fn the_policy_headers_say_what_is_called(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let session = setting.session().await;
    let own = [("mcp-session-id", &*session), ("user-agent", "a-client/1"), ("x-tenant", "blue")];
    let headers = setting.post(&own, call(1, "py_headers", json!({}))).await.result();
    for (name, value) in [
        ("x-mcp-method", "tools/call"),
        ("x-mcp-toolname", "headers"),
        ("x-mcp-servername", "test/python"),
        ("host", &format!("127.0.0.1:{}", python.port)),
        ("user-agent", "a-client/1"),
        ("x-tenant", "blue"),
        ("mcp-protocol-version", "2025-06-18"),
    ] {
        assert_eq!(headers[name], value, "{name}: {headers}");
    }
    let opened = python.requests().into_iter().filter(|request| request["headers"]["x-tenant"] == "blue");
    let agents: Vec<String> = opened.map(|request| request["headers"]["user-agent"].to_string()).collect();
    assert!(agents.iter().any(|agent| agent.starts_with("\"mcp-gateway/")), "{agents:?}");
    for leftover in ["x-mcp-hairpin", "x-mcp-routed"] {
        assert!(python.requests().iter().all(|request| request["headers"][leftover].is_null()), "{leftover}");
    }
}
