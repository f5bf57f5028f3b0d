//! Session ids of servers and credentials: who gets them, and that nobody else does.

use serde_json::{Value, json};

use crate::{
    common::PythonServer,
    raw::call,
    setting::{Setting, Shape, in_shapes, one_server, session_of},
};

in_shapes! {
    a_servers_session_id_stays_inside: Buffered, Buffered136, Duplex;
    a_credential_goes_to_its_server_only: Buffered, Duplex;
    a_credential_is_never_shown: Buffered;
}

async fn a_servers_session_id_stays_inside(shape: Shape) {
    let (setting, python) = one_server(shape, &[]).await;
    let mut client = setting.python().await;
    client.call_text("py_add", json!({"a": 1, "b": 2})).await;
    assert!(client.call("py_nope", json!({})).await.is_err());
    let requests = python.requests();
    let ids: Vec<&str> =
        requests.iter().filter_map(|request| request["headers"]["mcp-session-id"].as_str()).collect();
    assert!(!ids.is_empty());
    let (wire, shown) = (json!(client.http().await).to_string(), setting.shown().await);
    for id in ids {
        assert!(!wire.contains(id), "the client has seen a server's session id");
        assert!(!shown.contains(id), "a log or an admin page shows a server's session id");
    }
    let session = session_of(&mut client).await;
    assert!(!setting.gateway.process.log().contains(&session), "the log shows a gateway session id");
    assert!(!python.process.log().contains(&session), "a server has seen the gateway's session id");
}

fn with_credential(python: &PythonServer, more: &str) -> String {
    format!(
        "  - {{name: test/python, url: \"{}\", hostname: python.mcp.local, toolPrefix: py_, credential: \"Bearer s3cr3t-key\"{more}}}\n",
        python.url()
    )
}

async fn a_credential_goes_to_its_server_only(shape: Shape) {
    for (more, own, key, authorization) in [
        ("", None, Some("s3cr3t-key"), Some("Bearer s3cr3t-key")),
        ("", Some("Bearer mine"), Some("s3cr3t-key"), Some("Bearer mine")),
        (", callCredential: replace", Some("Bearer mine"), Some("s3cr3t-key"), Some("Bearer s3cr3t-key")),
        (", callCredential: never", Some("Bearer mine"), None, Some("Bearer mine")),
        (", callCredential: never", None, None, None),
    ] {
        let (python, other) = tokio::join!(PythonServer::start(&[]), PythonServer::start(&[]));
        let lines = with_credential(&python, more) + &crate::setting::server("other", &other.url(), "other_");
        let setting = Setting::start(shape, &lines).await;
        setting.discovered("test/python").await;
        setting.discovered("test/other").await;
        assert!(
            python
                .requests()
                .iter()
                .any(|request| request["headers"]["authorization"] == "Bearer s3cr3t-key"),
            "discovery uses it"
        );
        let session = setting.session().await;
        let own = own.map(|own| ("authorization", own));
        let headers: Vec<_> =
            [("mcp-session-id", &*session), ("x-mcp-api-key", "forged")].into_iter().chain(own).collect();
        let seen = setting.post(&headers, call(1, "py_headers", json!({}))).await.result();
        assert_eq!(
            (seen["x-mcp-api-key"].as_str(), seen["authorization"].as_str()),
            (key, authorization),
            "{more} {own:?}"
        );
        let elsewhere = setting.post(&headers, call(1, "other_headers", json!({}))).await.result();
        assert_eq!(
            (&elsewhere["x-mcp-api-key"], elsewhere["authorization"].as_str()),
            (&Value::Null, own.map(|own| own.1))
        );
        assert!(!other.process.log().contains("s3cr3t-key"));
    }
}

async fn a_credential_is_never_shown(shape: Shape) {
    let python = PythonServer::start(&["--require-key", "Bearer another"]).await;
    let setting = Setting::start(shape, &with_credential(&python, "")).await;
    crate::common::eventually("the server's refusal is in /status", async || {
        let status = setting.gateway.status().await;
        status["servers"][0]["lastError"].as_str().filter(|error| error.contains("401")).map(|_| ())
    })
    .await;
    let mut client = setting.python().await;
    assert!(client.call("py_add", json!({"a": 1, "b": 2})).await.is_err());
    setting.gateway.write_config("publicHost: 127.0.0.1\nservers: [{credential: Bearer s3cr3t-key}]\n");
    crate::common::eventually("the bad configuration is in /status", async || {
        let status = setting.gateway.status().await;
        (!status["source"]["problems"].as_array()?.is_empty()).then_some(())
    })
    .await;
    for text in [setting.shown().await, json!(client.http().await).to_string()] {
        assert!(!text.contains("s3cr3t-key"), "a credential is shown");
    }
}
