//! Configuration that changes under a connected client, and servers that are down.

use serde_json::json;

use crate::{
    common::{PythonServer, eventually},
    setting::{Setting, Shape, TwoServers, config, in_shapes, server, through_envoy},
};

in_shapes! {
    a_server_comes_and_goes_with_the_configuration: Buffered;
    a_bad_configuration_changes_nothing_and_is_shown: Buffered;
    one_server_down_hurts_no_other: Buffered, Duplex;
    a_clash_of_names_is_shown_and_costs_the_later_name_only: Buffered;
}

/// Envoy's routes to a server are printed with the configuration, so its bootstrap has both servers from the start.
async fn a_server_comes_and_goes_with_the_configuration(shape: Shape) {
    let (one, other) = tokio::join!(PythonServer::start(&[]), PythonServer::start(&[]));
    let both = config(&[server("one", &one.url(), "one_"), server("other", &other.url(), "other_")].concat());
    let setting = Setting::start_with(shape, &both, &[]).await;
    setting.discovered("test/other").await;
    let mut client = setting.python().await;
    assert_eq!(client.call_text("other_add", json!({"a": 1, "b": 1})).await, "2");

    setting.gateway.write_config(&config(&server("one", &one.url(), "one_")));
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    let names = client.tool_names().await.unwrap();
    assert!(names.iter().all(|name| name.starts_with("one_")), "{names:?}");
    assert_eq!(client.call("other_add", json!({"a": 1, "b": 1})).await.unwrap_err().code, Some(-32602));

    setting.gateway.write_config(&both);
    client.wait_notification("notifications/tools/list_changed").await.unwrap();
    eventually("the server's tools are back", async || {
        client.tool_names().await.unwrap().contains(&"other_add".to_owned()).then_some(())
    })
    .await;
    assert_eq!(client.call_text("other_add", json!({"a": 1, "b": 1})).await, "2");
    assert_eq!(client.call_text("one_add", json!({"a": 1, "b": 1})).await, "2");
}

async fn a_bad_configuration_changes_nothing_and_is_shown(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let good = config(&server("python", &python.url(), "py_"));
    let setting = Setting::start_with(shape, &good, &[]).await;
    setting.discovered("test/python").await;
    setting.gateway.write_config(&good.replace("toolPrefix", "toolPrefixx"));
    let problems = eventually("the mistake is in /status", async || {
        let status = setting.gateway.status().await;
        let problems = status["source"]["problems"].as_array()?.clone();
        (!problems.is_empty()).then_some(problems)
    })
    .await;
    assert!(problems[0].to_string().contains("toolPrefix") && problems[0]["line"] == 3, "{problems:?}");
    let session = setting.session().await;
    assert_eq!(setting.call(&session, "py_add", json!({"a": 1, "b": 2})).await.result(), json!(3));
    assert!(setting.gateway.page("/metrics").await.contains("config"), "reloads are counted");
    setting.gateway.write_config(&good);
    eventually("the mistake is gone", async || {
        (setting.gateway.status().await["source"]["problems"].as_array()?.is_empty()).then_some(())
    })
    .await;
}

async fn one_server_down_hurts_no_other(shape: Shape) {
    let mut two = TwoServers::start(shape).await;
    let mut client = two.setting.python().await;
    let before = client.tool_names().await.unwrap();
    two.everything.process.kill();
    assert_eq!(client.call_text("py_add", json!({"a": 1, "b": 1})).await, "2");
    // its tools stay listed, and a call says what is wrong
    assert_eq!(client.tool_names().await.unwrap(), before);
    let session = two.setting.session().await;
    let down = two.setting.call(&session, "ev_echo", json!({"message": "x"})).await;
    down.assert_refused(down.status, -32603, &json!(1));
    assert!(matches!(down.status, 502 | 503), "{down:?}");
    eventually("/status says so", async || {
        let status = two.setting.gateway.status().await;
        let servers = status["servers"].as_array()?.clone();
        let down = servers.iter().find(|server| server["name"] == "test/everything")?;
        (down["reachable"] == false && down["lastError"].is_string()).then_some(())
    })
    .await;
    two.everything.restart().await;
    eventually("calls work again", async || {
        let again = two.setting.call(&session, "ev_echo", json!({"message": "x"})).await;
        again.body.contains("Echo: x").then_some(())
    })
    .await;
}

async fn a_clash_of_names_is_shown_and_costs_the_later_name_only(shape: Shape) {
    let (one, other) =
        tokio::join!(PythonServer::start(&["--name", "one"]), PythonServer::start(&["--name", "other"]));
    let servers = [server("one", &one.url(), ""), server("other", &other.url(), "")];
    let setting = Setting::start(shape, &servers.concat()).await;
    setting.discovered("test/one").await;
    setting.discovered("test/other").await;
    let mut client = setting.python().await;
    client.call_text("add_tool", json!({"name": "novel"})).await;
    let status = setting.gateway.status().await;
    let clashes =
        status["servers"].as_array().unwrap().iter().find(|server| server["name"] == "test/other").unwrap();
    let clashes = clashes["conflicts"].as_array().unwrap();
    assert!(clashes.iter().any(|clash| clash["name"] == "add" && clash["owner"] == "test/one"), "{status}");
    assert_eq!(client.call_text("add", json!({"a": 1, "b": 1})).await, "2");
    assert_eq!(through_envoy(&other), 0);
}
