//! The cluster that other tests stand on is a real one, and nothing is left of it.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Cluster, PythonServer, eventually};
use serde_json::{Value, json};

const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: mcp-gateway, namespace: gateway-system}
spec:
  gatewayClassName: istio
  listeners:
  - {name: mcps, port: 8080, protocol: HTTP, hostname: "*.mcp.local", allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 9090}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: server, namespace: default}
spec:
  parentRefs: [{name: mcp-gateway, namespace: gateway-system}]
  hostnames: [server.mcp.local]
  rules: [{backendRefs: [{name: server, port: 9090}]}]
"#;
const POD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: gateway, namespace: team}
---
apiVersion: v1
kind: Secret
metadata: {name: settings, namespace: team}
stringData: {level: debug}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gateway, namespace: team}
data: {gateway.yaml: "publicHost: mcp.example.com"}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: team}
spec:
  selector: {app: gateway}
  ports: [{name: http, port: 80, targetPort: http}, {name: grpc, port: 50051}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway, namespace: team}
spec:
  selector: {matchLabels: {app: gateway}}
  template:
    metadata: {labels: {app: gateway}}
    spec:
      serviceAccountName: gateway
      securityContext: {runAsNonRoot: true}
      containers:
      - name: gateway
        image: gateway
        args: [serve, --config, /etc/mcp/gateway.yaml]
        env:
        - {name: INSTANCE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: MCP_GATEWAY_LOG_LEVEL, valueFrom: {secretKeyRef: {name: settings, key: level}}}
        ports: [{name: http, containerPort: 8080}, {containerPort: 50051}, {name: admin, containerPort: 9090}]
        startupProbe: {httpGet: {path: /healthz, port: admin}}
        readinessProbe: {grpc: {port: 50051}}
        securityContext: {readOnlyRootFilesystem: true}
        volumeMounts: [{name: config, mountPath: /etc/mcp}]
      volumes: [{name: config, configMap: {name: gateway}}]
"#;
const NO_HOST: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: no-host, namespace: default}
spec: {host: ''}
";

#[tokio::test]
async fn a_gateway_and_a_route_carry_traffic_to_a_process() {
    let (cluster, server) = tokio::join!(Cluster::istio(), PythonServer::start(&["--stateless", "--json"]));
    cluster.apply(GATEWAY).await.unwrap();
    cluster.endpoint("default/server", &[&format!("http=127.0.0.1:{}", server.port)]).await;
    let gateway = ["gateway", "-n", "gateway-system", "mcp-gateway"];
    cluster.wait_for_condition(&gateway, "Programmed", "True").await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = eventually("the route carries traffic", async || {
        let request = reqwest::Client::new().post(format!("{}/mcp", cluster.url())).json(&list);
        let request = request.header("host", "server.mcp.local").header("accept", "application/json");
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    })
    .await;
    assert!(answer.contains(r#""name":"add""#), "{answer}");
    let seen = eventually("the server says what it saw", async || server.requests().first().cloned()).await;
    assert_eq!(seen["headers"]["host"], "server.mcp.local");

    let refusal = cluster.apply(NO_HOST).await.unwrap_err();
    assert!(refusal.contains("rev.validation.istio.io"), "{refusal}");
}

#[tokio::test]
async fn a_pod_runs_as_its_deployment_says() {
    let cluster = Cluster::istio().await;
    cluster.apply(POD).await.unwrap();
    let pod = cluster.run_pod("team/gateway").await;
    let served = cluster.wait_for_log(&pod, "serving").await;
    assert!(served.contains(&format!("broker={}:8080", pod.ip)), "{served}");
    // As the Deployment says: its arguments, a variable from a Secret, a file of a ConfigMap, the ServiceAccount's token.
    let process = fs::read_to_string(cluster.file("run/pod-team-gateway-0.pid")).unwrap();
    let of_process = format!("/proc/{}", process.split(' ').next().unwrap());
    let read = |path: &str| fs::read_to_string(format!("{of_process}/{path}")).unwrap();
    assert_eq!(read("cmdline").replace('\0', " "), "/mcp-gateway serve --config /etc/mcp/gateway.yaml ");
    let environment = read("environ");
    assert!(environment.contains("MCP_GATEWAY_LOG_LEVEL=debug\0"), "{environment}");
    assert!(environment.contains("INSTANCE=gateway-0\0"), "{environment}");
    assert_eq!(read("root/run/secrets/kubernetes.io/serviceaccount/namespace"), "team");
    let hosts = read("root/etc/hosts");
    assert!(hosts.contains(&format!("{} gateway-0 gateway.team.svc.cluster.local", pod.ip)), "{hosts}");
    let refused = fs::write(format!("{of_process}/root/etc/passwd"), "").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // What the cluster says of it.
    cluster.kubectl(&["rollout", "status", "-n", "team", "deploy/gateway", "--timeout=10s"]).await.unwrap();
    let logs = cluster.kubectl(&["logs", "-n", "team", "deploy/gateway"]).await.unwrap();
    assert!(logs.contains("serving"), "{logs}");
    let entry = cluster.read(&["workloadentry", "-n", "team", "gateway-0"]).await.unwrap();
    assert_eq!(entry["spec"]["ports"], json!({"http": 8080, "grpc": 50051}));
    // And it ends as it should.
    cluster.stop_pod(&pod).await;
    assert!(cluster.pod_log(&pod).contains("stopped"));
    assert!(cluster.read(&["workloadentry", "-n", "team", "gateway-0"]).await.is_none());
    cluster.kubectl(&["delete", "namespace", "team", "--timeout=30s"]).await.unwrap();
}

#[tokio::test]
async fn the_stand_in_of_github_says_whose_token_it_saw() {
    let cluster = Cluster::kubernetes().await;
    let ip = cluster.github("api.githubcopilot.com").await;
    let ca = reqwest::Certificate::from_pem(&fs::read(cluster.ca_file()).unwrap()).unwrap();
    let github = reqwest::Client::builder()
        .tls_certs_only([ca])
        .resolve("api.githubcopilot.com", format!("{ip}:443").parse().unwrap())
        .build()
        .unwrap();
    let ask = async |method: &str, token: &str, session: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "get_me"}});
        let request = github.post("https://api.githubcopilot.com/mcp").json(&body);
        request.header("authorization", token).header("mcp-session-id", session).send().await.unwrap()
    };
    assert_eq!(ask("initialize", "Bearer of-someone-else", "").await.status(), 401);
    let initialized = ask("initialize", "Bearer ghp_registration", "").await;
    let session = initialized.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let mut logins = Vec::new();
    for token in ["Bearer ghp_registration", "Bearer ghp_user"] {
        let said = ask("tools/call", token, &session).await.text().await.unwrap();
        let data: Value =
            serde_json::from_str(said.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()).unwrap();
        let text = data["result"]["content"][0]["text"].as_str().unwrap();
        logins.push(serde_json::from_str::<Value>(text).unwrap()["login"].as_str().unwrap().to_owned());
    }
    assert_ne!(logins[0], logins[1]);
    let seen = cluster.github_requests();
    assert_eq!(
        seen.iter().map(|one| one["status"].as_u64().unwrap()).collect::<Vec<_>>(),
        [401, 200, 200, 200]
    );
    assert_eq!(seen[3]["headers"]["authorization"], logins[1]);
    assert_eq!((&seen[3]["sni"], &seen[3]["tool"]), (&json!("api.githubcopilot.com"), &json!("get_me")));
    // a certificate for another name
    cluster.github("example.com").await;
    let refused = github.get("https://api.githubcopilot.com/mcp").send().await.unwrap_err();
    assert!(format!("{refused:?}").contains("NotValidForName"), "{refused:?}");
}

#[tokio::test]
async fn nothing_is_left_of_a_cluster() {
    let cluster = Cluster::kubernetes().await;
    let folder = cluster.file("");
    let pids: Vec<_> = fs::read_dir(cluster.file("run"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    assert!(pids.len() >= 3, "{pids:?}");
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    drop(cluster);
    assert!(!fs::exists(&folder).unwrap(), "{} is left", folder.display());
    for pid in pids {
        eventually("init has reaped it", async || (!is_alive(&pid)).then_some(())).await;
    }
}

/// A process that only waits to be reaped has no program any more.
fn is_alive(pid: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

#[tokio::test]
async fn namespaces_go_and_tokens_have_only_the_rights_they_were_given() {
    let cluster = Cluster::kubernetes().await;
    for arguments in [
        &["create", "namespace", "team"][..],
        &["create", "serviceaccount", "-n", "team", "reader"],
        &["create", "secret", "generic", "-n", "team", "secret", "--from-literal=key=value"],
        &["create", "role", "-n", "team", "read", "--verb=get", "--resource=configmaps"],
        &["create", "rolebinding", "-n", "team", "read", "--role=read", "--serviceaccount=team:reader"],
    ] {
        cluster.kubectl(arguments).await.unwrap();
    }
    let read = async |what: &[&str]| {
        cluster.kubectl_as("team/reader", &[&["get", "-n", "team"], what].concat()).await
    };
    read(&["configmap", "absent", "--ignore-not-found"]).await.unwrap();
    let refusal = read(&["secret", "secret"]).await.unwrap_err();
    assert!(refusal.contains("Forbidden"), "{refusal}");
    cluster.kubectl(&["delete", "namespace", "team", "--timeout=30s"]).await.unwrap();
}
