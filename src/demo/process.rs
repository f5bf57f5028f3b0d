//! The demo's processes: started with their output in a file, waited for, ended with the demo.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// Longest wait for a process to be ready.
const READY: Duration = Duration::from_mins(1);
/// Lines of a dead process's output that are shown.
const LAST_WORDS: usize = 15;
const POLL: Duration = Duration::from_millis(50);

/// A running process; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    end_was_said: bool,
}

impl Process {
    /// Starts `command` with its output in `folder`/`name`.log.
    pub(super) fn start(name: &'static str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(name).with_extension("log");
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.as_std().get_program().display()))?;
        Ok(Self { name, child, log, end_was_said: false })
    }

    /// Waits until `url` answers with success (any answer at all where `any`).
    pub(super) async fn ready(&mut self, http: &reqwest::Client, url: &str, any: bool) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            if http.get(url).send().await.is_ok_and(|answer| any || answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}; its last words:\n{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} did not answer at {url} within {READY:?}; its last words:\n{}",
                    self.name,
                    self.last_words()
                );
            }
            sleep(POLL).await;
        }
    }

    /// What to say about its end, once.
    pub(super) fn has_ended(&mut self) -> Result<Option<String>> {
        let ended = self.child.try_wait()?.filter(|_| !self.end_was_said);
        self.end_was_said |= ended.is_some();
        Ok(ended
            .map(|status| format!("{} ended with {status}; its log is {}", self.name, self.log.display())))
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn end(mut self) {
        // what cannot be killed has ended
        let _ = self.child.kill().await;
    }

    /// The end of what the process has written.
    fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)).copied().collect::<Vec<_>>().join("\n")
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
