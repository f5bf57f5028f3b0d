//! Several controllers, one that writes: nothing is lost when it ends, and a new one writes nothing that is so already.

use tokio::time::Instant;

use crate::{
    common::{Pod, eventually},
    setting::Setting,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_nothing_and_loses_nothing() {
    let setting = Setting::start().await;
    let first = setting.controller().await;
    for name in ["one", "two"] {
        setting.register(name).await;
        setting.configuration_has(&format!("first-of-{name}")).await;
    }
    settled(&setting, &first).await;
    let before = setting.versions().await;
    assert!(before.len() >= 7, "{before:?}");
    setting.cluster.stop_pod(&first).await;
    assert!(setting.cluster.pod_log(&first).contains("released the lease"));

    let second = setting.controller().await;
    settled(&setting, &second).await;
    let log = setting.cluster.pod_log(&second);
    let written: Vec<_> = log.lines().filter(|line| line.contains("writer::request")).collect();
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(setting.versions().await, before);
    setting.cluster.kill_pod(&second).await;

    // what happens while there is no controller
    setting.credential("one", "second").await;
    setting.cluster.kubectl(&["delete", "mcpsr", "-n", "team", "two"]).await.unwrap();
    setting.controller().await;
    setting.configuration_has("second-of-one").await;
    setting.configuration_lacks("first-of-two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_takes_over_from_one_that_ends_and_from_one_that_crashes() {
    let setting = Setting::start().await;
    let first = setting.controller().await;
    setting.cluster.wait_for_log(&first, "holds the lease").await;
    let second = setting.controller().await;
    setting.cluster.wait_for_log(&second, "another instance holds the lease").await;
    setting.register("one").await;
    setting.configuration_has("first-of-one").await;
    assert!(!setting.cluster.pod_log(&second).contains("writer::request"), "a standby has written");

    let began = Instant::now();
    setting.cluster.stop_pod(&first).await;
    setting.cluster.wait_for_log(&second, "holds the lease: writes").await;
    eprintln!("another instance holds the Lease {:?} after SIGTERM", began.elapsed());
    setting.credential("one", "second").await;
    setting.configuration_has("second-of-one").await;

    let third = setting.controller().await;
    setting.cluster.wait_for_log(&third, "another instance holds the lease").await;
    let began = Instant::now();
    setting.cluster.kill_pod(&second).await;
    setting.credential("one", "third").await;
    setting.cluster.wait_for_log(&third, "holds the lease: writes").await;
    eprintln!("another instance holds the Lease {:?} after a crash", began.elapsed());
    setting.configuration_has("third-of-one").await;
    assert!(!setting.configuration().await.unwrap().contains("second-of-one"));
}

/// Waits until the controller has nothing to write any more.
async fn settled(setting: &Setting, controller: &Pod) {
    eventually("the controller has nothing to write", async || {
        let log = setting.cluster.pod_log(controller);
        log.lines().rfind(|line| line.contains("computed"))?.contains("writes=0 ").then_some(())
    })
    .await;
}
