//! What changes in the cluster and what comes of it.

use tokio::time::Instant;

use serde_json::json;

use crate::{
    common::eventually,
    setting::{Setting, WRITTEN},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_in_the_configuration_at_once_and_what_is_deleted_leaves_no_more_than_the_session_key()
{
    let setting = Setting::start().await;
    let controller = setting.controller().await;
    setting.register("one").await;
    setting.configuration_has("first-of-one").await;
    for token in ["second", "third", "fourth"] {
        setting.credential("one", token).await;
        let began = Instant::now();
        setting.configuration_has(&format!("{token}-of-one")).await;
        eprintln!("a rotated Secret is in the configuration {:?} after kubectl apply", began.elapsed());
    }
    let log = setting.cluster.pod_log(&controller);
    assert!(!log.contains("-of-one"), "a token is in the log");

    setting.cluster.kubectl(&["delete", "mcpsr", "-n", "team", "one"]).await.unwrap();
    setting.configuration_lacks("team/one").await;
    setting.configuration_lacks("fourth-of-one").await;
    setting.cluster.kubectl(&["delete", "mcpge", "-n", "mcp-system", "mcp-gateway"]).await.unwrap();
    for owned in &WRITTEN[3..] {
        let what = format!("{} are gone", owned[0]);
        eventually(&what, async || {
            let list = setting.cluster.read(owned).await?;
            // the session key stays, for data planes that go on with it
            let mut left = list["items"].as_array()?.iter().map(|item| &item["metadata"]["name"]);
            left.all(|name| name == "mcp-gateway-session-key").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_made_under_a_name_of_the_controllers_is_left_alone() {
    let setting = Setting::start().await;
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "mcp-gateway-route", "namespace": "mcp-system"},
        "spec": {"hostnames": ["mine.example.com"]},
    });
    setting.cluster.apply(&route.to_string()).await.unwrap();
    let key = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "mcp-gateway-session-key", "namespace": "mcp-system"},
        "stringData": {"keys": "mine"},
    });
    setting.cluster.apply(&key.to_string()).await.unwrap();
    let controller = setting.controller().await;
    let said = setting.cluster.wait_for_log(&controller, "was not made by the controller").await;
    assert!(said.contains("HTTPRoute mcp-system/mcp-gateway-route"), "{said}");
    let read = async || setting.cluster.read(&["httproute", "-n", "mcp-system", "mcp-gateway-route"]).await;
    assert_eq!(read().await.unwrap()["spec"]["hostnames"], json!(["mine.example.com"]));
    // all else is made, and the key that was there stays
    setting.configuration_has("{").await;
    let key = setting.cluster.read(&["secret", "-n", "mcp-system", "mcp-gateway-session-key"]).await.unwrap();
    assert_eq!(key["data"], json!({"keys": "bWluZQ=="}));

    setting.cluster.kubectl(&["delete", "httproute", "-n", "mcp-system", "mcp-gateway-route"]).await.unwrap();
    eventually("the controller makes its own route", async || {
        let route = read().await?;
        (route["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "mcp-controller").then_some(())
    })
    .await;
}
