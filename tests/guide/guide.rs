//! Every step of the guide, as written; then what it promises.

use serde_json::Value;

use crate::{
    commands::{Shell, blocks},
    common::eventually,
    setting::{GITHUB, Setting, TEAM_TOKEN, USER_TOKEN, login},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_works_as_written() {
    let setting = Setting::start().await;
    let shell = Shell::new(&setting.cluster);
    for command in blocks("## 1. Namespace", "## See it") {
        shell.run(command).await;
    }
    let see = blocks("## See it", "## Call it");
    shell.run(see[0]).await;
    let listed = shell.run(see[1]).await;
    let row = listed.lines().find(|line| line.starts_with("github")).unwrap_or_else(|| panic!("{listed}"));
    for part in ["github_", "github-mcp-external", "/mcp", "True", "5", "github-token"] {
        assert!(row.contains(part), "{part} in {listed}");
    }
    assert!(shell.run(see[2]).await.contains("Ready"));
    let logged = shell.run(see[3]).await;
    assert!(logged.contains("Discovered 5 tools from mcp-test/github"), "{logged}");
    let tools = shell.run(see[4]).await;
    assert!(tools.contains("github_get_me") && tools.contains("github_create_issue"), "{tools}");
    let [call] = blocks("## Call it", "## Take it away")[..] else { panic!("one block of calls") };
    assert!(shell.run(call).await.contains(&login(TEAM_TOKEN)));

    let away = blocks("## Take it away", "The cluster of this machine");
    shell.run(away[0]).await;
    setting.tools_are("the tools are gone with the registration", <[String]>::is_empty).await;
    shell.run(away[1]).await;
    nothing_is_left(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_does_the_same_and_can_be_run_twice() {
    let setting = Setting::start().await;
    let shell = Shell::new(&setting.cluster);
    for _ in 0..2 {
        let said = shell.run("deploy/samples/remote-github/create_resources.sh").await;
        assert!(said.contains("[8/8]") && said.lines().any(|line| line.starts_with("github ")), "{said}");
    }
    setting.tools_are("the tools are listed", |names| names.len() == 5).await;
    for _ in 0..2 {
        shell.run("deploy/samples/remote-github/delete_resources.sh").await;
    }
    nothing_is_left(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_reach_github_as_the_one_who_calls() {
    let setting = Setting::start().await;
    setting.apply_guide().await;
    let (_, message) = setting.registration_is("Ready", "True").await;
    assert!(message.contains('5'), "{message}");
    setting.registration_is("Programmed", "True").await;

    let (status, body) = setting.call("github_get_me", Some(USER_TOKEN)).await;
    assert!(status == 200 && body.contains(&login(USER_TOKEN)), "{status} {body}");
    let (status, body) = setting.call("github_get_me", None).await;
    assert!(status == 200 && body.contains(&login(TEAM_TOKEN)), "{status} {body}");

    let requests = setting.cluster.github_requests();
    let calls: Vec<&Value> = requests.iter().filter(|request| request["rpc"] == "tools/call").collect();
    assert_eq!(calls.len(), 2, "{requests:?}");
    for call in calls {
        assert_eq!((call["host"].as_str(), call["sni"].as_str()), (Some(GITHUB), Some(GITHUB)), "{call}");
        assert_eq!((&call["path"], &call["tool"]), (&"/mcp".into(), &"get_me".into()), "{call}");
        let fields = call["headers"].as_object().unwrap();
        assert_eq!(fields["x-mcp-api-key"], login(TEAM_TOKEN).as_str());
        let told = |name: &&String| {
            name.starts_with("x-envoy-")
                || ["x-forwarded-for", "x-mcp-routed", "x-mcp-hairpin"].contains(&name.as_str())
        };
        assert_eq!(fields.keys().find(told), None, "what is internal is not told: {call}");
    }

    setting.secret(USER_TOKEN).await;
    let whose = login(USER_TOKEN);
    let rotated = async || setting.call("github_get_me", None).await.1.contains(&whose).then_some(());
    eventually("a rotated token is used", rotated).await;
    for (what, log) in [
        ("plane", setting.cluster.pod_log(&setting.plane)),
        ("controller", setting.cluster.pod_log(&setting.controller)),
    ] {
        assert!(!log.contains(TEAM_TOKEN) && !log.contains(USER_TOKEN), "the {what} logs a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let setting = Setting::start().await;
    setting.cluster.github("other.example.com").await;
    setting.apply_guide().await;
    let why = setting.cluster.wait_for("status.lastError", &["mcpsr", "-n", "mcp-test", "github"], |it| {
        it["status"]["lastError"].as_str().map(str::to_owned)
    });
    let why = why.await;
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    setting.registration_is("Ready", "False").await;
    assert_eq!(setting.tool_names().await, Vec::<String>::new());
    assert_eq!(setting.cluster.github_requests().len(), 0, "nobody was told the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_guides_objects_work_and_their_gap_is_told() {
    let setting = Setting::start().await;
    setting.cluster.apply(include_str!("guide.yaml")).await.unwrap();
    setting.secret(TEAM_TOKEN).await;
    setting.registration_is("Ready", "True").await;
    let message = setting.registration_says("Warnings", "HostNameNotVerified").await;
    assert!(message.contains("subjectAltNames") && message.contains("github-mcp-external"), "{message}");
    let (status, body) = setting.call("github_get_me", Some(USER_TOKEN)).await;
    assert!(status == 200 && body.contains(&login(USER_TOKEN)), "{status} {body}");
}

async fn nothing_is_left(setting: &Setting) {
    for kinds in ["mcpsr,httproute,serviceentry,destinationrule,secret -n mcp-test"] {
        let arguments: Vec<&str> =
            ["get"].into_iter().chain(kinds.split(' ')).chain(["-o", "name"]).collect();
        let empty = async || setting.cluster.kubectl(&arguments).await.unwrap().is_empty().then_some(());
        eventually("nothing of the guide is left in mcp-test", empty).await;
    }
    setting.tools_are("no tool is listed", <[String]>::is_empty).await;
    let filter = ["get", "envoyfilter", "-A", "-o", "json"];
    let forgotten = async || {
        let filters = setting.cluster.kubectl(&filter).await.unwrap();
        (!filters.contains("github.mcp.local") && !filters.contains(GITHUB)).then_some(())
    };
    eventually("the EnvoyFilter has forgotten the host", forgotten).await;
}
