//! A cluster with `deploy/`, the sample's Gateway, and MCP servers that are Services; no data plane.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::common::{Cluster, Pod, eventually};

pub(crate) struct Setting {
    pub(crate) cluster: Cluster,
}

/// Of what the controller writes: kubectl's arguments, each a list of objects.
pub(crate) const WRITTEN: [&[&str]; 7] = [
    &["mcpsr", "-A"],
    &["mcpge", "-A"],
    &["mcpvs", "-A"],
    &["secrets", "-A", "-l", "app.kubernetes.io/managed-by=mcp-controller"],
    &["configmaps", "-A", "-l", "app.kubernetes.io/managed-by=mcp-controller"],
    &["httproutes", "-A", "-l", "app.kubernetes.io/managed-by=mcp-controller"],
    &["envoyfilters", "-A", "-l", "app.kubernetes.io/managed-by=mcp-controller"],
];

impl Setting {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::istio().await;
        cluster.kubectl(&["apply", "--server-side", "-k", "deploy"]).await.unwrap();
        let established = ["wait", "--for=condition=Established", "crd/mcpgatewayextensions.mcp.kagenti.com"];
        cluster.kubectl(&established).await.unwrap();
        cluster.kubectl(&["apply", "-k", "deploy/samples/gateway"]).await.unwrap();
        cluster.kubectl(&["create", "namespace", "team"]).await.unwrap();
        Self { cluster }
    }

    /// One more controller, as `deploy/` says; ready, whether it has the Lease or not.
    pub(crate) async fn controller(&self) -> Pod {
        let debug = ["--env", "MCP_GATEWAY_LOG_LEVEL=info,mcp_gateway=debug"];
        self.cluster.run_pod_with("mcp-system/mcp-controller", &debug).await
    }

    /// An MCP server `team/NAME`: a Service, its route, a credential and its registration with the prefix `NAME_`.
    pub(crate) async fn register(&self, name: &str) {
        self.cluster.apply(&server(name).to_string()).await.unwrap();
        self.credential(name, "first").await;
    }

    pub(crate) async fn credential(&self, name: &str, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": "team", "labels": {"mcp.kagenti.com/credential": "true"}},
            "stringData": {"token": format!("Bearer {token}-of-{name}")},
        });
        self.cluster.apply(&secret.to_string()).await.unwrap();
    }

    /// The configuration that a data plane reads.
    pub(crate) async fn configuration(&self) -> Option<String> {
        let secret = self.cluster.read(&["secret", "-n", "mcp-system", "mcp-gateway-config"]).await?;
        let data = STANDARD.decode(secret["data"]["config.json"].as_str()?).unwrap();
        Some(String::from_utf8(data).unwrap())
    }

    pub(crate) async fn configuration_has(&self, part: &str) {
        let what = format!("the configuration has {part}");
        eventually(&what, async || self.configuration().await?.contains(part).then_some(())).await;
    }

    pub(crate) async fn configuration_lacks(&self, part: &str) {
        let what = format!("the configuration has no {part}");
        eventually(&what, async || (!self.configuration().await?.contains(part)).then_some(())).await;
    }

    /// `KIND NAMESPACE/NAME: RESOURCE VERSION` of all that the controller writes.
    pub(crate) async fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for arguments in WRITTEN {
            let list = self.cluster.read(arguments).await.unwrap();
            versions.extend(list["items"].as_array().unwrap().iter().map(version));
        }
        versions
    }
}

fn version(object: &Value) -> String {
    let metadata = &object["metadata"];
    let [namespace, name, version] =
        ["namespace", "name", "resourceVersion"].map(|field| metadata[field].as_str().unwrap());
    format!("{} {namespace}/{name}: {version}", object["kind"].as_str().unwrap())
}

fn server(name: &str) -> Value {
    let metadata = json!({"name": name, "namespace": "team"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 9090}]},
    });
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
        "spec": {
            "parentRefs": [{"name": "mcp-gateway", "namespace": "gateway-system", "sectionName": "mcps"}],
            "hostnames": [format!("{name}.mcp.local")],
            "rules": [{"backendRefs": [{"name": name, "port": 9090}]}],
        },
    });
    let registration = json!({
        "apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPServerRegistration", "metadata": metadata,
        "spec": {"toolPrefix": format!("{name}_"), "targetRef": {"name": name}, "credentialRef": {"name": name}},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [service, route, registration]})
}
