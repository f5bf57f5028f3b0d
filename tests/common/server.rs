//! Real MCP servers: `tests/peers/server.py` on the Python SDK, and the npm package `server-everything`.

use std::process::Command;

use serde_json::Value;

use super::fetched::peer;
use super::{Process, fetched, free_port};

/// `server.py`: tools that echo, show headers, wait, stream progress and change the list. Issues sessions unless
/// started with `--stateless`.
#[derive(Debug)]
pub struct PythonServer {
    pub process: Process,
    pub port: u16,
    python: &'static str,
    arguments: Vec<String>,
}

impl PythonServer {
    /// On SDK 2.x; `arguments` are those of `server.py`, beside the port.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_on("python", arguments).await
    }

    /// On SDK 1.x.
    pub async fn start_1(arguments: &[&str]) -> Self {
        Self::start_on("python-1", arguments).await
    }

    async fn start_on(python: &'static str, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { process: run_python(python, port, &arguments).await, port, python, arguments }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Every HTTP request it answered so far: `{method, path, headers: {name: value}, status}`.
    pub fn requests(&self) -> Vec<Value> {
        let log = self.process.log();
        log.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("request ")?).ok()).collect()
    }

    /// Kills it and starts it again on the same port: its sessions and added tools are gone.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = run_python(self.python, self.port, &self.arguments).await;
    }
}

async fn run_python(python: &str, port: u16, arguments: &[String]) -> Process {
    let mut command = Command::new(fetched(python));
    command.arg(peer("server.py")).arg(port.to_string()).args(arguments);
    let mut process = Process::spawn("server.py", command);
    process.wait_for_line("listening on http://").await;
    process
}

/// `server-everything`: the reference server of the TypeScript SDK. Issues sessions, answers as event streams.
#[derive(Debug)]
pub struct Everything {
    pub process: Process,
    pub port: u16,
}

impl Everything {
    pub async fn start() -> Self {
        let port = free_port();
        Self { process: run_everything(port).await, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Kills it and starts it again on the same port: its sessions are gone.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = run_everything(self.port).await;
    }
}

async fn run_everything(port: u16) -> Process {
    let mut command = Command::new(fetched("node"));
    command.arg(fetched("everything")).arg("streamableHttp").env("PORT", port.to_string());
    let mut process = Process::spawn("server-everything", command);
    process.wait_for_line("listening on port").await;
    process
}
