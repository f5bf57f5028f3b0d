//! Gateways of other shapes: one HTTPS listener, two of them, two ports.

use serde_json::json;

use crate::{
    common::eventually,
    setting::{PUBLIC, Setting, TEAM_TOKEN, USER_TOKEN, login},
};

#[tokio::test(flavor = "multi_thread")]
async fn one_https_listener_that_covers_both_hosts_serves_the_guide() {
    let setting = Setting::with_gateway("-k", "deploy/samples/gateway-https", 8443, "mcp.mcp.local").await;
    setting.apply_guide().await;
    setting.registration_is("Ready", "True").await;
    let (status, body) = setting.call("github_get_me", Some(USER_TOKEN)).await;
    assert!(status == 200 && body.contains(&login(USER_TOKEN)), "{status} {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_https_listeners_are_told_and_serve_nothing() {
    let setting =
        Setting::with_gateway("-f", "tests/guide/two-listeners.yaml", 8443, "mcp.example.com").await;
    setting.apply_guide().await;
    let message = setting.registration_says("Accepted", "ListenerMismatch").await;
    assert!(message.contains("one listener whose hostname covers both"), "{message}");
    assert_eq!(setting.registration_says("Ready", "ListenerMismatch").await, message);
    assert_eq!(setting.tool_names().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_port_is_guarded_and_a_port_without_router_is_told() {
    let setting = Setting::start().await;
    let ports = json!([
        {"name": "mcp", "port": 8080, "protocol": "HTTP", "hostname": PUBLIC, "allowedRoutes": {"namespaces": {"from": "All"}}},
        {"name": "mcps", "port": 8080, "protocol": "HTTP", "hostname": "*.mcp.local", "allowedRoutes": {"namespaces": {"from": "All"}}},
        {"name": "also", "port": 8081, "protocol": "HTTP", "hostname": "*.mcp.local", "allowedRoutes": {"namespaces": {"from": "All"}}},
    ]);
    let patch = json!({"spec": {"listeners": ports}}).to_string();
    let gateway = ["patch", "gateway", "-n", "gateway-system", "mcp-gateway", "--type=merge", "-p", &patch];
    setting.cluster.kubectl(&gateway).await.unwrap();
    setting.apply_guide().await;
    setting.registration_is("Ready", "True").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for port in [8080, 8081] {
        let refused = async || {
            let response =
                setting.post_to("github.mcp.local", port, &ping).bearer_auth(USER_TOKEN).send().await.ok()?;
            (response.status() == 403).then_some(response.text().await.ok()?)
        };
        let body = eventually("the server's host is refused on every port", refused).await;
        assert!(body.contains("gateway"), "{body}");
    }

    // attached to the second port alone, the server cannot be reached from the first
    let parent = json!({"name": "mcp-gateway", "namespace": "gateway-system", "sectionName": "also"});
    let patch = json!({"spec": {"parentRefs": [parent]}}).to_string();
    let route = ["patch", "httproute", "-n", "mcp-test", "github-mcp-external", "--type=merge", "-p", &patch];
    setting.cluster.kubectl(&route).await.unwrap();
    let message = setting.registration_says("Accepted", "ListenerMismatch").await;
    assert!(message.contains("port 8081") && message.contains("port 8080"), "{message}");
    setting.tools_are("its tools are not offered", <[String]>::is_empty).await;
    let (_, body) = setting.call("github_get_me", None).await;
    assert!(!body.contains(&login(TEAM_TOKEN)), "{body}");
}
