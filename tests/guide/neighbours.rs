//! What else is on the Gateway, and what happens when the attachment is not there.

use serde_json::json;

use crate::{
    common::{PythonServer, eventually},
    setting::{Setting, USER_TOKEN, login},
};

/// Another team's application, on a host of its own.
const NEIGHBOUR: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: neighbour}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: neighbour}
spec: {selector: {app: app}, ports: [{name: http, port: 9090}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app, namespace: neighbour}
spec:
  parentRefs: [{name: mcp-gateway, namespace: gateway-system}]
  hostnames: [app.mcp.local]
  rules: [{backendRefs: [{name: app, port: 9090}]}]
";

/// Whatever else an operator may have installed, this one takes the router away.
const REMOVED: &str = r"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: removed, namespace: gateway-system}
spec:
  priority: 10
  workloadSelector: {labels: {gateway.networking.k8s.io/gateway-name: mcp-gateway}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: GATEWAY
      listener:
        filterChain:
          filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: mcp-gateway-mcp-system-mcp-gateway}}
    patch: {operation: REMOVE}
";

#[tokio::test(flavor = "multi_thread")]
async fn another_application_on_the_gateway_never_meets_the_router() {
    let setting = Setting::start().await;
    setting.apply_guide().await;
    setting.cluster.apply(NEIGHBOUR).await.unwrap();
    let app = PythonServer::start(&["--stateless"]).await;
    let address = app.url().split('/').nth(2).unwrap().to_owned();
    setting.cluster.endpoint("neighbour/app", &[&format!("http={address}")]).await;
    setting.registration_is("Ready", "True").await;

    // names and versions that the router would refuse or take away
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let ask = async || {
        let request = setting
            .post_to("app.mcp.local", 8080, &list)
            .header("accept", "application/json, text/event-stream");
        let response = request.header("x-mcp-toolname", "mine").send().await.ok()?;
        (response.status() == 200).then_some(())
    };
    eventually("the neighbour answers", ask).await;
    let before = ext_proc_streams(&setting).await;
    for _ in 0..5 {
        ask().await.unwrap();
    }
    assert_eq!(ext_proc_streams(&setting).await, before, "the router was asked");

    setting.cluster.kill_pod(&setting.plane).await;
    for _ in 0..5 {
        ask().await.expect("the neighbour does not notice that the gateway is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_mismatched_attachment_is_told_and_mended() {
    let setting = Setting::start().await;
    setting.apply_guide().await;
    setting.registration_is("Ready", "True").await;

    // what somebody changes or removes, the controller writes again
    let name = "envoyfilter/mcp-gateway-mcp-system-mcp-gateway";
    let filter = ["-n", "gateway-system", name];
    let uid = async || {
        let read = setting.cluster.read(&filter).await?;
        read["metadata"]["uid"].as_str().map(str::to_owned)
    };
    let before = eventually("the EnvoyFilter is there", uid).await;
    setting.cluster.kubectl(&["delete", "-n", "gateway-system", name]).await.unwrap();
    let again = async || uid().await.filter(|now| *now != before);
    eventually("a deleted EnvoyFilter comes back", again).await;
    let patch = json!({"spec": {"configPatches": []}}).to_string();
    setting
        .cluster
        .kubectl(&["patch", "-n", "gateway-system", name, "--type=merge", "-p", &patch])
        .await
        .unwrap();
    let mended = async || {
        let read = setting.cluster.read(&filter).await?;
        (!read["spec"]["configPatches"].as_array()?.is_empty()).then_some(())
    };
    eventually("an emptied EnvoyFilter is mended", mended).await;

    // what another EnvoyFilter takes away again is seen and told, and no credential goes along
    setting.cluster.apply(REMOVED).await.unwrap();
    let extension = ["mcpge", "-n", "mcp-system", "mcp-gateway"];
    let (reason, message) = setting.cluster.wait_for_condition(&extension, "Programmed", "False").await;
    assert_eq!(reason, "NotAttached", "{message}");
    setting.registration_is("Ready", "False").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let past = setting.post_to("github.mcp.local", 8080, &ping).bearer_auth(USER_TOKEN).send().await.unwrap();
    assert_eq!(past.status(), 403, "the server's host stays closed: {}", past.text().await.unwrap());
    let requests = setting.cluster.github_requests();
    assert!(
        requests.iter().all(|request| request["headers"]["authorization"] != login(USER_TOKEN)),
        "{requests:?}"
    );

    setting.cluster.kubectl(&["delete", "envoyfilter", "-n", "gateway-system", "removed"]).await.unwrap();
    setting.registration_is("Ready", "True").await;
    setting.cluster.wait_for_condition(&extension, "Ready", "True").await;
    let (status, body) = setting.call("github_get_me", Some(USER_TOKEN)).await;
    assert!(status == 200 && body.contains(&login(USER_TOKEN)), "{status} {body}");
}

/// Routes of somebody else for the hosts of the gateway, more exact than its own: to a server that keeps what it is sent.
const THEFT: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: evil}
---
apiVersion: v1
kind: Service
metadata: {name: thief, namespace: evil}
spec: {selector: {app: thief}, ports: [{name: http, port: 9090}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: thief, namespace: evil}
spec:
  parentRefs: [{name: mcp-gateway, namespace: gateway-system}]
  hostnames: [mcp.127-0-0-1.sslip.io, github.mcp.local]
  rules: [{matches: [{path: {type: Exact, value: /mcp}}], backendRefs: [{name: thief, port: 9090}]}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_another_namespace_for_our_hosts_gets_neither_clients_nor_credentials() {
    let setting = Setting::start().await;
    setting.apply_guide().await;
    setting.registration_is("Ready", "True").await;
    // with nobody to react to it
    setting.cluster.stop_pod(&setting.controller).await;
    let thief = PythonServer::start(&["--stateless"]).await;
    let address = thief.url().split('/').nth(2).unwrap().to_owned();
    setting.cluster.apply(THEFT).await.unwrap();
    setting.cluster.endpoint("evil/thief", &[&format!("http={address}")]).await;
    let routes = async || {
        let url =
            format!("{}/config_dump?resource=dynamic_route_configs", setting.cluster.variable("ENVOY_ADMIN"));
        reqwest::get(url).await.ok()?.text().await.ok()?.contains("thief.evil.svc").then_some(())
    };
    eventually("Envoy has the thief's routes", routes).await;
    for _ in 0..5 {
        assert_eq!(setting.tool_names().await.len(), 5, "clients reach the broker");
        let (status, body) = setting.call("github_get_me", Some(USER_TOKEN)).await;
        assert!(status == 200 && body.contains(&login(USER_TOKEN)), "{status} {body}");
    }
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let direct = setting.post_to("github.mcp.local", 8080, &ping).send().await.unwrap();
    assert_eq!(direct.status(), 403);

    // once there is somebody to react, the host is claimed twice, and that is told
    setting.cluster.run_pod("mcp-system/mcp-controller").await;
    let message = setting.registration_says("Accepted", "HostConflict").await;
    assert!(message.contains("evil/thief"), "{message}");
}

/// Streams that Envoy has opened to the router so far.
async fn ext_proc_streams(setting: &Setting) -> u64 {
    let url = format!("{}/stats?filter=ext_proc.*streams_started", setting.cluster.variable("ENVOY_ADMIN"));
    let stats = reqwest::get(url).await.unwrap().text().await.unwrap();
    let counts = stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok());
    counts.sum()
}
