//! A configuration that changes while it is followed.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::clock;

/// Far more than a change takes to be seen.
const SOON: Duration = Duration::from_secs(20);

struct Follow {
    watched: Watched,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Follow {
    fn new(path: &Path) -> Result<Self, Vec<Problem>> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let watched = watch(path, &Overrides::default(), clock::now, &tasks, stop.clone())?;
        Ok(Self { watched, tasks, stop })
    }

    /// Waits until the status is as wanted.
    async fn until(&mut self, what: &str, wanted: impl FnMut(&SourceStatus) -> bool) -> SourceStatus {
        let found = timeout(SOON, self.watched.status.wait_for(wanted)).await;
        found.unwrap_or_else(|_| panic!("not in time: {what}")).unwrap().clone()
    }

    fn host(&self) -> String {
        self.watched.spec.borrow().public_hosts[0].to_string()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        timeout(SOON, self.tasks.wait()).await.unwrap();
    }
}

fn config(host: &str) -> String {
    format!("publicHost: {host}\nservers: [{{name: a, url: 'http://127.0.0.1', credentialFile: token}}]\n")
}

#[tokio::test]
async fn a_good_change_is_published_and_a_bad_one_only_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("gateway.yaml"), folder.path().join("token"));
    fs::write(&token, "Bearer one").unwrap();
    fs::write(&file, config("a.example")).unwrap();
    let mut follow = Follow::new(&file).unwrap();
    let first = follow.watched.status.borrow().clone();
    assert_eq!((first.generation, first.rejected, follow.host().as_str()), (1, 0, "a.example"));

    fs::write(&file, config("b.example")).unwrap();
    follow.until("a new host", |status| status.generation == 2).await;
    assert_eq!(follow.host(), "b.example");

    fs::write(&file, "publicHost: [\n").unwrap();
    let bad = follow.until("the bad file is refused", |status| status.rejected == 1).await;
    assert_eq!((bad.generation, bad.problems.len(), follow.host().as_str()), (2, 1, "b.example"));

    fs::remove_file(&file).unwrap();
    let gone = follow.until("the missing file is refused", |status| status.rejected == 2).await;
    assert_eq!((gone.problems[0].message.as_str(), follow.host().as_str()), ("does not exist", "b.example"));

    fs::write(&file, config("b.example")).unwrap();
    let good = follow.until("the file is good again", |status| status.generation == 3).await;
    assert_eq!((good.rejected, good.problems.len()), (2, 0));

    fs::write(&token, "Bearer two").unwrap();
    follow.until("a new credential", |status| status.generation == 4).await;
    fs::write(&token, "Bearer\u{7}").unwrap();
    let bad = follow.until("a bad credential is refused", |status| status.rejected == 3).await;
    assert_eq!(bad.problems[0].path, "servers[0].credentialFile");
    follow.end().await;
}

#[tokio::test]
async fn a_kubernetes_volume_changes_by_the_swap_of_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, host: &str, token: &str| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("gateway.yaml"), config(host)).unwrap();
        fs::write(at(name).join("token"), token).unwrap();
        symlink(name, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    version("..2026_1", "a.example", "Bearer one");
    symlink("..data/gateway.yaml", at("gateway.yaml")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    let mut follow = Follow::new(&at("gateway.yaml")).unwrap();
    assert_eq!(follow.host(), "a.example");

    version("..2026_2", "b.example", "Bearer one");
    fs::remove_dir_all(at("..2026_1")).unwrap();
    // A look in the middle of the swap may count a refusal; the next one finds all of it.
    let status =
        follow.until("the new version", |status| status.generation == 2 && status.problems.is_empty()).await;
    assert_eq!((follow.host().as_str(), status.warnings.len()), ("b.example", 0));
    follow.end().await;
}

#[tokio::test]
async fn a_bad_first_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, "publicHost: 5\n").unwrap();
    let problems = Follow::new(&file).map(|_| ()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "1:13: publicHost: must be text or a list, not a number; put it in quotes"
    );
}
