//! The scripts beside the guide, run with a kubectl that writes down what it is asked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::render::{deploy, files_of, key, read};
use crate::samples::remote_github;

const TOKEN: &str = "ghp_of_nobody";

/// Its answers are those of a cluster that has everything but what `ABSENT` names.
const KUBECTL: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >> "$FOLDER/calls"
case " $* " in
*" -f - "*) cat >> "$FOLDER/input" ;;
*" get customresourcedefinitions "*) [[ " $ABSENT " == *" $3 "* ]] || echo "customresourcedefinition/$3" ;;
*" wait "*) [[ $ABSENT != ready ]] || { echo "timed out" >&2; exit 1; } ;;
esac
"#;

/// A folder with that kubectl and what it was asked.
struct Recorder(TempDir);

impl Recorder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubectl = folder.path().join("kubectl");
        fs::write(&kubectl, KUBECTL).unwrap();
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn run(&self, script: &str, token: Option<&str>, absent: &str) -> Output {
        let mut command = Command::new(folder().join(script));
        command
            .env("KUBECTL", self.0.path().join("kubectl"))
            .env("FOLDER", self.0.path())
            .env("ABSENT", absent);
        command.env_remove("GITHUB_PAT").current_dir("/");
        command.envs(token.map(|token| ("GITHUB_PAT", token))).output().unwrap()
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
    }

    fn input(&self) -> String {
        fs::read_to_string(self.0.path().join("input")).unwrap_or_default()
    }
}

fn folder() -> PathBuf {
    deploy().join("samples/remote-github")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_is_no_token_is_refused_before_anything_is_asked_or_shown() {
    for (token, why) in [
        (None, "GITHUB_PAT is not set"),
        (Some(""), "GITHUB_PAT is not set"),
        (Some("ghp_YOUR_TOKEN"), "placeholder"),
        (Some("gho_abcdefgh"), "ghp_ or github_pat_"),
        (Some("ghp_"), "ghp_ or github_pat_"),
        (Some("xghp_abcdefgh"), "ghp_ or github_pat_"),
        (Some("Bearer ghp_abcdefgh"), "ghp_ or github_pat_"),
        (Some("ghp_abc\"\n  more: x"), "ghp_ or github_pat_"),
    ] {
        let recorder = Recorder::new();
        let output = recorder.run("create_resources.sh", token, "");
        assert_eq!(output.status.code(), Some(1), "{token:?}: {}", said(&output));
        assert!(said(&output).contains(why), "{token:?}: {}", said(&output));
        assert!(!said(&output).contains("abcdefgh"), "it shows what may be a token: {}", said(&output));
        assert_eq!(recorder.calls(), "", "{token:?}");
    }
}

#[test]
fn every_step_is_said_and_done_and_can_be_done_again() {
    let recorder = Recorder::new();
    for round in 1..=2 {
        for token in [TOKEN, "github_pat_of_nobody"] {
            let output = recorder.run("create_resources.sh", Some(token), "");
            assert!(output.status.success(), "round {round}: {}", said(&output));
            for step in 1..=8 {
                assert!(said(&output).contains(&format!("[{step}/8] ")), "{}", said(&output));
            }
        }
    }
    let calls = recorder.calls();
    let applied: Vec<&str> = calls.lines().filter_map(|call| call.strip_prefix("apply ")).take(7).collect();
    let expected = [
        "-f namespace.yaml",
        "-f serviceentry.yaml",
        "-f destinationrule.yaml",
        "-f httproute.yaml",
        "--server-side --force-conflicts -f -",
        "-f authpolicy.yaml",
        "-f mcpserverregistration.yaml",
    ];
    assert_eq!(applied, expected);
    assert_eq!(expected.len(), yaml_files().len(), "a file beside the script is not applied");
    assert_eq!(calls.lines().last(), Some("get mcpsrs -n mcp-test"));
}

#[test]
fn the_token_goes_to_standard_input_and_nowhere_else() {
    let recorder = Recorder::new();
    let output = recorder.run("create_resources.sh", Some(TOKEN), "");
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains(TOKEN) && !recorder.calls().contains(TOKEN), "{}", said(&output));
    assert_eq!(
        recorder.input().trim_end(),
        read(folder().join("secret.yaml")).trim_end().replace("${GITHUB_PAT}", TOKEN)
    );
    let traced = Command::new("bash")
        .arg("-x")
        .arg(folder().join("create_resources.sh"))
        .envs([("KUBECTL", recorder.0.path().join("kubectl")), ("FOLDER", recorder.0.path().to_owned())])
        .env("GITHUB_PAT", TOKEN)
        .output()
        .unwrap();
    assert!(traced.status.success() && !said(&traced).contains(TOKEN), "{}", said(&traced));
}

#[test]
fn what_is_not_installed_is_said_with_how_to_install_it() {
    for (absent, said_of_it) in [
        ("httproutes.gateway.networking.k8s.io", "Gateway API is not installed"),
        ("serviceentries.networking.istio.io", "Istio is not installed"),
        ("mcpserverregistrations.mcp.kagenti.com", "kubectl apply -k deploy/"),
        ("ready", "the registration is not ready"),
    ] {
        let output = Recorder::new().run("create_resources.sh", Some(TOKEN), absent);
        assert_eq!(output.status.code(), Some(1), "{absent}: {}", said(&output));
        assert!(said(&output).contains(said_of_it), "{absent}: {}", said(&output));
    }
}

#[test]
fn without_kuadrant_its_policy_is_left_out() {
    let recorder = Recorder::new();
    for script in ["create_resources.sh", "delete_resources.sh"] {
        let output = recorder.run(script, Some(TOKEN), "authpolicies.kuadrant.io");
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(
        !recorder.calls().contains("authpolicy.yaml") && !recorder.calls().contains("delete authpolicies")
    );
}

#[test]
fn the_twin_deletes_every_object_but_the_namespace() {
    let recorder = Recorder::new();
    let output = recorder.run("delete_resources.sh", None, "");
    assert!(output.status.success(), "{}", said(&output));
    let calls = recorder.calls();
    let deleted: Vec<Vec<&str>> = calls
        .lines()
        .filter_map(|call| call.strip_prefix("delete "))
        .map(|call| call.split(' ').collect())
        .collect();
    let made = yaml_files();
    let made: Vec<_> = made.iter().filter(|file| *file != "namespace.yaml").collect();
    assert_eq!(deleted.len(), made.len(), "{deleted:?}");
    for file in made {
        let object = remote_github(file);
        let (kind, name) =
            (object["kind"].as_str().unwrap().to_lowercase(), object["metadata"]["name"].as_str().unwrap());
        let stem = kind.trim_end_matches('y');
        let is_deleted = deleted.iter().any(|words| {
            words[0].starts_with(stem) && words[1..] == [name, "-n", "mcp-test", "--ignore-not-found"]
        });
        assert!(is_deleted, "{} stays: {deleted:?}", key(&object));
    }
}

fn yaml_files() -> Vec<String> {
    let files = files_of(&folder(), "yaml").into_iter();
    files.map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_script_is_sound() {
    let scripts = files_of(&deploy(), "sh");
    assert!(scripts.len() >= 2, "{scripts:?}");
    for script in scripts {
        assert!(
            fs::metadata(&script).unwrap().permissions().mode() & 0o111 != 0,
            "{} cannot be run",
            script.display()
        );
        let mut checks = vec![Command::new("bash")];
        checks[0].arg("-n");
        // a developer's own check; not among what the suite fetches
        if Command::new("shellcheck").arg("--version").output().is_ok() {
            checks.push(Command::new("shellcheck"));
        }
        for mut check in checks {
            let output = check.arg(&script).output().unwrap();
            assert!(output.status.success(), "{}: {}", script.display(), said(&output));
        }
    }
}
