//! Pods of applied Deployments (`deploy/local-env/pod`), running this build's binary.

use std::fs;

use super::{Cluster, eventually};

/// A pod that was started; it ends with its cluster at the latest.
#[derive(Debug)]
pub struct Pod {
    /// `NAMESPACE/NAME`
    pub name: String,
    /// The loopback address that is its own.
    pub ip: String,
}

impl Cluster {
    /// Starts a pod of the applied Deployment `NAMESPACE/NAME` and waits until it is ready.
    pub async fn run_pod(&self, deployment: &str) -> Pod {
        self.run_pod_with(deployment, &[]).await
    }

    /// With more arguments of `pod run` (`--env NAME=VALUE`).
    pub async fn run_pod_with(&self, deployment: &str, arguments: &[&str]) -> Pod {
        let program = env!("CARGO_BIN_EXE_mcp-gateway");
        let arguments = [&["run", "DIR", deployment, "--program", program], arguments].concat();
        let printed = self.script("pod", &arguments).await;
        let (name, ip) = printed.trim().split_once(' ').unwrap();
        Pod { name: name.to_owned(), ip: ip.to_owned() }
    }

    /// As Kubernetes stops a pod: out of its Services, `preStop`, SIGTERM; waits until it has ended.
    pub async fn stop_pod(&self, pod: &Pod) {
        self.script("pod", &["stop", "DIR", &pod.name]).await;
    }

    /// SIGKILL, as in a crash.
    pub async fn kill_pod(&self, pod: &Pod) {
        self.script("pod", &["stop", "DIR", &pod.name, "--now"]).await;
    }

    /// Everything the pod wrote so far; also after its end.
    pub fn pod_log(&self, pod: &Pod) -> String {
        fs::read_to_string(self.file(&format!("pods/{}.log", pod.name.replace('/', "-")))).unwrap()
    }

    /// Waits until the pod's log has a line with `part` in it and gives that line.
    pub async fn wait_for_log(&self, pod: &Pod, part: &str) -> String {
        let what = format!("{} logs {part}", pod.name);
        eventually(&what, async || {
            self.pod_log(pod).lines().find(|line| line.contains(part)).map(str::to_owned)
        })
        .await
    }

    /// An MCP server over TLS that plays `api.githubcopilot.com` (`deploy/local-env/github`) with a certificate for
    /// `certificate`; what it saw is in `log/github.log`. Called again, the one before is ended.
    pub async fn github(&self, certificate: &str) -> String {
        self.script("cluster", &["github", "DIR", "--certificate", certificate]).await.trim().to_owned()
    }

    /// What the stand-in of GitHub was sent since it was started: `{method, path, host, sni, rpc, tool, headers, status}`.
    pub fn github_requests(&self) -> Vec<serde_json::Value> {
        let log = fs::read_to_string(self.file("log/github.log")).unwrap();
        log.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("request ")?).ok()).collect()
    }
}
