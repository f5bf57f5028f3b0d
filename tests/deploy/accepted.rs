//! A real API server, with Istio's admission, takes every object as it stands here.

use serde_json::json;

use crate::{
    common::Cluster,
    render::{self, Objects},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_every_object() {
    let cluster = Cluster::istio().await;
    cluster.kubectl(&["apply", "--server-side", "-k", "deploy"]).await.unwrap();
    let established = ["wait", "--for=condition=Established", "crd/mcpgatewayextensions.mcp.kagenti.com"];
    cluster.kubectl(&established).await.unwrap();
    // a dry run makes no namespace for what is in it
    for sample in ["gateway", "remote-github"] {
        cluster.kubectl(&["apply", "-f", &format!("deploy/samples/{sample}/namespace.yaml")]).await.unwrap();
    }
    for sample in ["gateway", "gateway-https"] {
        dry_run(&cluster, &["-k", &format!("deploy/samples/{sample}")], "").await;
    }
    for step in ["serviceentry", "destinationrule", "httproute", "secret", "mcpserverregistration"] {
        dry_run(&cluster, &["-f", &format!("deploy/samples/remote-github/{step}.yaml")], "").await;
    }
    let all = "extension.create=true,extension.gateway.create=true,autoscaling.enabled=true,redis.existingSecret=redis";
    for arguments in [&[][..], &["--set", all]] {
        let objects = render::helm("mcp-system", arguments).unwrap();
        dry_run(&cluster, &["-f", "-"], &list(&objects)).await;
    }
}

async fn dry_run(cluster: &Cluster, what: &[&str], objects: &str) {
    let arguments = [&["apply", "--server-side", "--force-conflicts", "--dry-run=server"], what].concat();
    cluster.kubectl_given(&arguments, objects).await.unwrap_or_else(|error| panic!("{what:?}: {error}"));
}

fn list(objects: &Objects) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects.values().collect::<Vec<_>>()}).to_string()
}
