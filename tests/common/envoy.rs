//! A real Envoy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Process, eventually, fetched, free_port};

/// A running Envoy with its admin interface on loopback.
#[derive(Debug)]
pub struct Envoy {
    pub process: Process,
    admin: String,
    _folder: TempDir,
}

impl Envoy {
    /// Starts the newest Envoy the suite tests with on `bootstrap` (YAML or JSON) and waits until it is ready.
    pub async fn start(bootstrap: &str) -> Self {
        Self::start_version("envoy", bootstrap).await
    }

    /// As `start`, for `version`: `envoy` or `envoy-1.36`.
    pub async fn start_version(version: &str, bootstrap: &str) -> Self {
        let (folder, file) = written(bootstrap);
        let port = free_port();
        // Merged over the bootstrap's own, so that tests at the same time do not meet.
        let admin =
            format!("admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}");
        let mut command = Command::new(fetched(version));
        command.arg("--config-path").arg(&file).args(["--config-yaml", &admin]);
        command.args(["--disable-hot-restart", "--use-dynamic-base-id", "--concurrency", "1"]);
        command.args(["--log-level", "warning", "--component-log-level", "ext_proc:info"]);
        command.args(["--file-flush-interval-msec", "50", "--drain-time-s", "1"]);
        let process = Process::spawn(version, command);
        let mut envoy = Self { process, admin: format!("http://127.0.0.1:{port}"), _folder: folder };
        envoy.wait_until_ready().await;
        envoy
    }

    /// What `envoy --mode validate` says about `bootstrap`; `Err` holds its output.
    pub fn validate(version: &str, bootstrap: &str) -> Result<(), String> {
        let (_folder, file) = written(bootstrap);
        let mut command = Command::new(fetched(version));
        let output = command.args(["--mode", "validate", "--config-path"]).arg(file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&said).into_owned())
    }

    /// The counters and gauges whose name matches the regular expression `filter`.
    pub async fn stats(&self, filter: &str) -> BTreeMap<String, u64> {
        let page =
            self.page(&format!("/stats?filter={filter}")).await.expect("Envoy's admin interface is gone");
        let entries = page.lines().filter_map(|line| line.rsplit_once(": "));
        entries.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// One page of the admin interface (`/config_dump`, `/clusters`, ...); `None` when it does not answer 200.
    pub async fn page(&self, path: &str) -> Option<String> {
        let response = reqwest::get(format!("{}{path}", self.admin)).await.ok()?;
        response.error_for_status().ok()?.text().await.ok()
    }

    async fn wait_until_ready(&mut self) {
        eventually("Envoy is ready", async || {
            let ended = self.process.ended();
            assert!(ended.is_none(), "Envoy ended at its start: {ended:?}");
            self.page("/ready").await
        })
        .await;
    }
}

fn written(bootstrap: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(folder.path()).join("bootstrap.yaml"); // JSON is YAML too
    fs::write(&file, bootstrap).unwrap();
    (folder, file)
}
