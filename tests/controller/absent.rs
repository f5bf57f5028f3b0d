//! A cluster without Gateway API and Istio, which get them later.

use std::process::Command;

use serde_json::json;

use crate::common::{Cluster, Process, eventually, fetched, free_port};

#[tokio::test]
async fn a_cluster_without_istio_is_told_so_and_gets_it_later() {
    let cluster = Cluster::kubernetes().await;
    cluster.kubectl(&["apply", "--server-side", "-k", "deploy/crds"]).await.unwrap();
    cluster.kubectl(&["create", "namespace", "mcp-system"]).await.unwrap();
    let admin = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command.args(["controller", "--namespace", "mcp-system", "--instance", "one", "--admin-listen", &admin]);
    command.env("KUBECONFIG", cluster.variable("KUBECONFIG")).env_remove("KUBERNETES_SERVICE_HOST");
    let mut controller = Process::spawn("controller", command);
    controller.wait_for_line("holds the lease").await;
    eventually("it is ready without the kinds that are absent", async || {
        let answer = reqwest::get(format!("http://{admin}/readyz")).await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;

    let extension = json!({
        "apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPGatewayExtension",
        "metadata": {"name": "x", "namespace": "mcp-system"},
        "spec": {"targetRef": {"name": "gateway"}},
    });
    cluster.apply(&extension.to_string()).await.unwrap();
    let extension = ["mcpge", "-n", "mcp-system", "x"];
    let (reason, message) = cluster.wait_for_condition(&extension, "ResolvedRefs", "False").await;
    assert_eq!(
        (reason.as_str(), message.contains("mcp-system/gateway")),
        ("GatewayNotFound", true),
        "{message}"
    );

    let definitions = fetched("istio").join("crds");
    let apply = async |file: &str| {
        let file = definitions.join(file);
        cluster.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]).await.unwrap();
    };
    apply("gateway.networking.k8s.io_gateways.yaml").await;
    apply("gateway.networking.k8s.io_httproutes.yaml").await;
    apply("gateway.networking.k8s.io_referencegrants.yaml").await;
    let established = ["wait", "--for=condition=Established", "crd/gateways.gateway.networking.k8s.io"];
    cluster.kubectl(&established).await.unwrap();
    let listener = json!({"name": "mcp", "port": 8080, "protocol": "HTTP", "hostname": "mcp.example.com"});
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "gateway", "namespace": "mcp-system"},
        "spec": {"gatewayClassName": "istio", "listeners": [listener]},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "mcp-broker-router", "namespace": "mcp-system"},
        "spec": {"ports": [{"name": "http", "port": 8080}, {"name": "grpc", "port": 50051}]},
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [gateway, service]});
    cluster.apply(&list.to_string()).await.unwrap();
    cluster.wait_for_condition(&extension, "Accepted", "True").await;
    let (reason, message) = cluster.wait_for_condition(&extension, "Programmed", "False").await;
    assert_eq!(reason, "IstioMissing", "{message}");
    assert!(message.contains("install Istio"), "{message}");

    apply("istio.yaml").await;
    cluster
        .wait_for("the router is attached", &["envoyfilters", "-n", "mcp-system"], |list| {
            (list["items"].as_array()?.len() == 1).then_some(())
        })
        .await;
    assert!(controller.terminate().await.success());
    assert!(controller.log().contains("released the lease"));
}
