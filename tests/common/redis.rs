//! A real Redis that keeps nothing on disk.

use std::process::Command;

use tempfile::TempDir;

use super::{Process, fetched, free_port};

/// A running Redis server.
#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    pub port: u16,
    folder: TempDir,
}

impl Redis {
    pub async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        Self { process: run(port, &folder).await, port, folder }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Starts it again on the same port after `process.kill()`; it comes back empty.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.port, &self.folder).await;
    }
}

async fn run(port: u16, folder: &TempDir) -> Process {
    let mut command = Command::new(fetched("redis"));
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
    ]);
    command.arg(folder.path());
    let mut process = Process::spawn("redis-server", command);
    process.wait_for_line("Ready to accept connections").await;
    process
}
