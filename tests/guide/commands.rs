//! The commands of a guide: its `sh` blocks, run as they are written.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use tokio::process::Command;

use crate::{
    common::Cluster,
    setting::{PUBLIC, TEAM_TOKEN},
};

const GUIDE: &str = include_str!("../../deploy/samples/remote-github/README.md");

/// The blocks between the words that the guide has before and after them, one command or several each.
pub(crate) fn blocks(after: &str, before: &str) -> Vec<&'static str> {
    let (_, part) = GUIDE.split_once(after).unwrap_or_else(|| panic!("the guide has no {after:?}"));
    let (part, _) = part.split_once(before).unwrap_or_else(|| panic!("no {before:?} after {after:?}"));
    let blocks: Vec<_> = part.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "no commands between {after:?} and {before:?}");
    blocks
}

/// A shell as a person has it who follows the guide: `kubectl` of the cluster, the token, and a name service that knows
/// the public host.
pub(crate) struct Shell<'c> {
    cluster: &'c Cluster,
    home: tempfile::TempDir,
}

impl<'c> Shell<'c> {
    pub(crate) fn new(cluster: &'c Cluster) -> Self {
        let home = tempfile::tempdir().unwrap();
        let gateway = cluster.variable("GATEWAY_IP");
        fs::write(home.path().join(".curlrc"), format!("connect-to = \"{PUBLIC}:8001:{gateway}:8080\"\n"))
            .unwrap();
        let kubectl = home.path().join("kubectl");
        std::os::unix::fs::symlink(cluster.variable("KUBECTL"), &kubectl).unwrap();
        assert!(fs::metadata(&kubectl).unwrap().permissions().mode() & 0o111 != 0);
        Self { cluster, home }
    }

    /// What the command printed; it must succeed.
    pub(crate) async fn run(&self, command: &str) -> String {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &format!("PATH=$HOME:$PATH\n{command}")])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.cluster.variable("KUBECONFIG"))
            .env("KUBECACHEDIR", self.home.path().join("cache"))
            .env("GITHUB_PAT", TEAM_TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{command}\n{stdout}\n{stderr}");
        assert!(!stderr.contains(TEAM_TOKEN) && !stdout.contains(TEAM_TOKEN), "{command} shows the token");
        stdout
    }
}
