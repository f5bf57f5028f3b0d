//! A cluster with `deploy/`, a Gateway with its extension, controller and data plane, and the stand-in of GitHub.

use reqwest::{
    RequestBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use serde_json::{Value, json};

use crate::common::{Cluster, Pod, eventually};

pub(crate) const PUBLIC: &str = "mcp.127-0-0-1.sslip.io";
pub(crate) const GITHUB: &str = "api.githubcopilot.com";
/// Tokens of GitHub's form, of two people.
pub(crate) const TEAM_TOKEN: &str = "ghp_theTokenOfTheTeam00000000000000000001";
pub(crate) const USER_TOKEN: &str = "ghp_theTokenOfTheUser00000000000000000002";

pub(crate) struct Setting {
    pub(crate) cluster: Cluster,
    pub(crate) controller: Pod,
    pub(crate) plane: Pod,
    http: reqwest::Client,
    /// Of the Gateway's listener, with the path.
    url: String,
    host: &'static str,
}

impl Setting {
    /// Everything before the guide's first step.
    pub(crate) async fn start() -> Self {
        Self::with_gateway("-k", "deploy/samples/gateway", 8080, PUBLIC).await
    }

    /// With another Gateway, whose listener for clients of `host` is on `port`.
    pub(crate) async fn with_gateway(how: &str, gateway: &str, port: u16, host: &'static str) -> Self {
        let cluster = Cluster::istio().await;
        cluster.kubectl(&["apply", "--server-side", "-k", "deploy"]).await.unwrap();
        cluster.github(GITHUB).await;
        let established = ["wait", "--for=condition=Established", "crd/mcpgatewayextensions.mcp.kagenti.com"];
        cluster.kubectl(&established).await.unwrap();
        if port == 8443 {
            cluster.kubectl(&["apply", "-f", "deploy/samples/gateway-https/namespace.yaml"]).await.unwrap();
            let [certificate, key] = cluster.certificate("*.mcp.local").await;
            let secret = ["create", "secret", "tls", "mcp-gateway-tls", "-n", "gateway-system"];
            let files = [format!("--cert={}", certificate.display()), format!("--key={}", key.display())];
            cluster.kubectl(&[&secret[..], &[&files[0], &files[1]]].concat()).await.unwrap();
        }
        cluster.kubectl(&["apply", how, gateway]).await.unwrap();
        let (controller, plane) = tokio::join!(
            cluster.run_pod("mcp-system/mcp-controller"),
            cluster.run_pod("mcp-system/mcp-broker-router")
        );
        let ip = cluster.variable("GATEWAY_IP");
        let mut http = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
        http = http.resolve(host, format!("{ip}:{port}").parse().unwrap());
        let scheme = if port == 8443 { "https" } else { "http" };
        let url = format!("{scheme}://{host}:{port}/mcp");
        Self { controller, plane, http: http.build().unwrap(), url, host, cluster }
    }

    /// The objects of the guide, in its order.
    pub(crate) async fn apply_guide(&self) {
        for step in ["namespace", "serviceentry", "destinationrule", "httproute"] {
            let file = format!("deploy/samples/remote-github/{step}.yaml");
            self.cluster.kubectl(&["apply", "-f", &file]).await.unwrap();
        }
        self.secret(TEAM_TOKEN).await;
        let file = "deploy/samples/remote-github/mcpserverregistration.yaml";
        self.cluster.kubectl(&["apply", "-f", file]).await.unwrap();
    }

    pub(crate) async fn secret(&self, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "github-token", "namespace": "mcp-test", "labels": {"mcp.kagenti.com/credential": "true"}},
            "stringData": {"token": format!("Bearer {token}")},
        });
        self.cluster.apply(&secret.to_string()).await.unwrap();
    }

    /// Waits for a condition of the guide's registration; gives its reason and message.
    pub(crate) async fn registration_is(&self, kind: &str, status: &str) -> (String, String) {
        self.cluster.wait_for_condition(&["mcpsr", "-n", "mcp-test", "github"], kind, status).await
    }

    /// Waits until the guide's registration has that condition for that reason; gives the message.
    pub(crate) async fn registration_says(&self, kind: &str, reason: &str) -> String {
        self.cluster
            .wait_for(
                &format!("the registration's {kind} says {reason}"),
                &["mcpsr", "-n", "mcp-test", "github"],
                |it| {
                    let all = it["status"]["conditions"].as_array()?;
                    let found = all.iter().find(|one| one["type"] == kind && one["reason"] == reason)?;
                    found["message"].as_str().map(str::to_owned)
                },
            )
            .await
    }

    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(body.to_string())
    }

    /// A request for any host, on any port of the Gateway, past the gateway's own URL.
    pub(crate) fn post_to(&self, host: &str, port: u16, body: &Value) -> RequestBuilder {
        let url = format!("http://{}:{port}/mcp", self.cluster.variable("GATEWAY_IP"));
        self.http.post(url).header(HOST, host).header(CONTENT_TYPE, "application/json").body(body.to_string())
    }

    pub(crate) async fn tool_names(&self) -> Vec<String> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let Ok(response) = self.post(&body).send().await else { return Vec::new() };
        let answer: Value = response.json().await.unwrap_or_default();
        let tools = answer["result"]["tools"].as_array().cloned().unwrap_or_default();
        tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until the list is as `wanted` says.
    pub(crate) async fn tools_are(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        eventually(what, async || Some(self.tool_names().await).filter(|names| wanted(names))).await
    }

    /// Opens a session; gives its id.
    pub(crate) async fn session(&self) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = self.post(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{} at {}", response.text().await.unwrap(), self.host);
        response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// Calls a tool in a session of its own, with or without the user's token; gives status and body.
    pub(crate) async fn call(&self, tool: &str, token: Option<&str>) -> (u16, String) {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let mut request = self.post(&body).header("mcp-session-id", self.session().await);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

/// How the stand-in names whom a token belongs to.
pub(crate) fn login(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let first: [u8; 4] = std::array::from_fn(|at| digest.as_ref()[at]);
    format!("user-{:08x}", u32::from_be_bytes(first))
}
