//! A real cluster without containers (`deploy/local-env/cluster`): kube-apiserver and etcd, istiod and Envoy.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio, thread};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{eventually, fetched};

/// A running cluster in a folder of its own; ended, by pid, when it is dropped, or when this process ends.
#[derive(Debug)]
pub struct Cluster {
    variables: BTreeMap<String, String>,
    folder: TempDir,
}

impl Cluster {
    /// kube-apiserver, etcd, and the controllers of namespaces, owner references and `ServiceAccounts`; in 3 s.
    pub async fn kubernetes() -> Self {
        Self::start(&["--kube-only"]).await
    }

    /// That, istiod, and Envoy as the proxy of a Gateway `gateway-system/mcp-gateway` still to be applied; in 8 s.
    pub async fn istio() -> Self {
        Self::start(&[]).await
    }

    /// With the arguments of `cluster up`.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { variables: BTreeMap::new(), folder };
        let pid = std::process::id().to_string();
        let arguments = [&["up", "DIR", "--while-pid", &pid], arguments].concat();
        let printed = cluster.script("cluster", &arguments).await;
        let assignments = printed.lines().filter_map(|line| line.split_once('='));
        cluster.variables = assignments.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        cluster
    }

    /// What `cluster up` printed for `name`: `KUBECONFIG`, `KUBECTL`, `URL`, `GATEWAY_IP`, `ENVOY_ADMIN`, ...
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("the cluster has no {name}: {:?}", self.variables))
    }

    /// Where the Gateway's proxy listens on port 8080: `http://IP:8080`.
    pub fn url(&self) -> &str {
        self.variable("URL")
    }

    /// The CA that pods and Envoy trust as the system's; it signs `certificate`.
    pub fn ca_file(&self) -> PathBuf {
        PathBuf::from(self.variable("CA_FILE"))
    }

    /// A file of the cluster (`log/istiod.log`, `pods/...`, `hosts`).
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// What kubectl printed; `Err` holds what it complained of.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubectl_given(arguments, "").await
    }

    /// As `kubectl`, with a token of the `ServiceAccount` `NAMESPACE/NAME`, and so with its rights alone.
    pub async fn kubectl_as(&self, account: &str, arguments: &[&str]) -> Result<String, String> {
        let (namespace, name) = account.split_once('/').unwrap();
        let token = self.kubectl(&["create", "token", "-n", namespace, name]).await?;
        let ca = self.file("tls/kubernetes.crt");
        // the user of the kubeconfig would come first
        let access =
            ["--kubeconfig=/dev/null", "--server", self.variable("APISERVER"), "--token", token.trim()];
        let access = [&access[..], &["--certificate-authority", ca.to_str().unwrap()], arguments].concat();
        self.kubectl(&access).await
    }

    /// `kubectl apply` of objects in YAML or JSON.
    pub async fn apply(&self, objects: &str) -> Result<String, String> {
        self.kubectl_given(&["apply", "-f", "-"], objects).await
    }

    /// One object, or a list, as `kubectl get` gives it; `None` when it is not there.
    pub async fn read(&self, arguments: &[&str]) -> Option<Value> {
        let arguments = [&["get", "-o", "json"], arguments].concat();
        serde_json::from_str(&self.kubectl(&arguments).await.ok()?).ok()
    }

    /// Reads again until `probe` gives a value.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        arguments: &[&str],
        mut probe: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        eventually(what, async || probe(&self.read(arguments).await?)).await
    }

    /// Waits until the object's condition has that status (`True`, `False`); gives its reason and message.
    pub async fn wait_for_condition(&self, object: &[&str], kind: &str, status: &str) -> (String, String) {
        let what = format!("{} is {kind}={status}", object.join(" "));
        self.wait_for(&what, object, |object| {
            let all = object["status"]["conditions"].as_array()?;
            let found = all.iter().find(|one| one["type"] == kind && one["status"] == status)?;
            Some((found["reason"].as_str()?.to_owned(), found["message"].as_str()?.to_owned()))
        })
        .await
    }

    /// A process of this machine becomes the endpoint of a Service: `["http=127.0.0.1:4711"]`.
    pub async fn endpoint(&self, service: &str, ports: &[&str]) {
        self.script("cluster", &[&["endpoint", "DIR", service], ports].concat()).await;
    }

    /// Pods and Envoy resolve `name` to a loopback address that nobody uses; gives that address.
    pub async fn host(&self, name: &str) -> String {
        self.script("cluster", &["host", "DIR", name]).await.trim().to_owned()
    }

    /// Certificate and key of a server `name`, from `ca_file`.
    pub async fn certificate(&self, name: &str) -> [PathBuf; 2] {
        self.script("cluster", &["cert", "DIR", name]).await;
        ["crt", "key"].map(|end| self.file(&format!("tls/{name}.{end}")))
    }

    /// Runs one of the scripts of `deploy/local-env`, `DIR` being this cluster's folder; gives what it printed.
    pub async fn script(&self, name: &str, arguments: &[&str]) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let arguments = arguments.iter().map(|argument| if *argument == "DIR" { folder } else { argument });
        let mut command = Command::from(script(name));
        command.kill_on_drop(true);
        let output = command.args(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// With `input` on its standard input.
    pub async fn kubectl_given(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(self.variable("KUBECTL"));
        command.args(arguments).envs(&self.variables);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // kubectl may end without having read it all
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        output.status.success().then_some(stdout).ok_or(stderr)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            for folder in ["log", "pods"] {
                show_logs(self.file(folder));
            }
        }
        let down = script("cluster").arg("down").arg(self.folder.path()).status();
        assert!(down.is_ok_and(|status| status.success()) || thread::panicking(), "cluster down failed");
    }
}

fn script(name: &str) -> std::process::Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/local-env").join(name);
    let mut command = std::process::Command::new(path);
    for (variable, thing) in
        [("KUBERNETES_BIN", "kubernetes"), ("ISTIO_ASSETS", "istio"), ("ENVOY_BIN", "envoy")]
    {
        command.env(variable, fetched(thing));
    }
    command.env_remove("KUBECONFIG").stdin(Stdio::null());
    command
}

fn show_logs(folder: PathBuf) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, log) = (entry.path(), fs::read_to_string(entry.path()).unwrap_or_default());
        if path.extension().is_some_and(|extension| extension == "log") {
            let lines: Vec<_> = log.lines().collect();
            let newest = lines.iter().skip(lines.len().saturating_sub(40));
            eprintln!("--- end of {} ---", path.display());
            newest.for_each(|line| eprintln!("{line}"));
        }
    }
}
