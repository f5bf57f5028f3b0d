//! The gateway's own binary, as a user runs it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::{Process, eventually, free_port};

/// `mcp-gateway serve` on free ports of loopback, with its configuration file in a folder of its own.
#[derive(Debug)]
pub struct Gateway {
    pub process: Process,
    pub ext_proc: String,
    pub broker: String,
    pub admin: String,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Gateway {
    /// Starts `serve` on `config` (YAML) with `arguments` beside the listen flags, and waits until it is ready.
    pub async fn start(config: &str, arguments: &[&str]) -> Self {
        let ext_proc = format!("127.0.0.1:{}", free_port());
        Self::start_in(tempfile::tempdir().unwrap(), ext_proc, config, arguments).await
    }

    /// As `start`, with the external processor on a Unix socket.
    pub async fn start_on_socket(config: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("unix:{}", folder.path().join("ext_proc.sock").display());
        Self::start_in(folder, socket, config, arguments).await
    }

    async fn start_in(folder: TempDir, ext_proc: String, config: &str, arguments: &[&str]) -> Self {
        fs::write(folder.path().join("gateway.yaml"), config).unwrap();
        let [broker, admin] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let listen = ["--ext-proc-listen", &ext_proc, "--broker-listen", &broker, "--admin-listen", &admin];
        let arguments: Vec<_> =
            listen.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let process = serve(&folder, &arguments);
        let mut gateway = Self { process, ext_proc, broker, admin, arguments, folder };
        gateway.wait_until_ready().await;
        gateway
    }

    /// The Envoy bootstrap that `mcp-gateway envoy` prints for this gateway, listening on `listen`.
    pub fn bootstrap(&self, listen: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command.arg("envoy").arg("--config").arg(self.config_file()).args(["--listen", listen]);
        command.args(["--ext-proc-listen", &self.ext_proc, "--broker-listen", &self.broker]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "mcp-gateway envoy: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    /// Replaces the configuration file in one step, as a careful user does.
    pub fn write_config(&self, config: &str) {
        let beside = self.folder.path().join("next.yaml");
        fs::write(&beside, config).unwrap();
        fs::rename(beside, self.config_file()).unwrap();
    }

    /// The body of an admin page (`/status`, `/metrics`); panics when it is not answered with 200.
    pub async fn page(&self, path: &str) -> String {
        let response = reqwest::get(format!("http://{}{path}", self.admin)).await.unwrap();
        response.error_for_status().unwrap().text().await.unwrap()
    }

    /// `/status`, parsed.
    pub async fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.page("/status").await).unwrap()
    }

    /// Stops with SIGTERM and waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate().await
    }

    /// Ends it (SIGKILL) and starts it again on the same ports, file and arguments.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = serve(&self.folder, &self.arguments);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&mut self) {
        let url = format!("http://{}/readyz", self.admin);
        eventually("the gateway is ready", async || {
            let ended = self.process.ended();
            assert!(ended.is_none(), "the gateway ended at its start: {ended:?}");
            reqwest::get(&url).await.ok()?.error_for_status().ok()
        })
        .await;
    }
}

fn serve(folder: &TempDir, arguments: &[String]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command.arg("serve").arg("--config").arg(folder.path().join("gateway.yaml")).args(arguments);
    Process::spawn("mcp-gateway", command)
}
