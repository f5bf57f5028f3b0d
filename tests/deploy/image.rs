//! The Dockerfile, as far as it can be checked without building an image.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::json;

use crate::render::{base, deploy, files, of_kind, read};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The arguments of an instruction, line by line, continued lines joined.
fn instructions(name: &str) -> Vec<String> {
    let text = read(deploy().join("Dockerfile")).replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What is copied from the repository.
fn copied() -> BTreeSet<String> {
    let copies = instructions("COPY");
    let own = copies.iter().filter(|copy| !copy.starts_with("--from"));
    own.flat_map(|copy| {
        let mut words: Vec<_> = copy.split(' ').map(str::to_owned).collect();
        words.pop();
        words
    })
    .collect()
}

#[test]
fn what_is_copied_is_all_that_a_build_reads() {
    let folder = tempfile::tempdir().unwrap();
    for name in copied() {
        let status =
            Command::new("cp").arg("-r").arg(root().join(&name)).arg(folder.path()).status().unwrap();
        assert!(status.success(), "{name} does not exist");
    }
    // fails where the manifest names a file that is not there
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(folder.path());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in files(&folder.path().join("src")) {
        let source = read(&file);
        for include in ["include_str!", "include_bytes!"] {
            assert!(
                !source.contains(&format!("{include}(\"../../")),
                "{} reads what may not be copied",
                file.display()
            );
        }
    }
}

#[test]
fn what_is_copied_is_what_is_sent() {
    let ignore = read(deploy().join("Dockerfile.dockerignore"));
    let sent: BTreeSet<_> =
        ignore.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    assert!(ignore.lines().any(|line| line == "*"), "everything is sent");
    assert_eq!(sent, copied());
}

#[test]
fn the_image_is_built_as_the_manifest_asks_and_runs_as_the_pods_ask() {
    let manifest = read(root().join("Cargo.toml"));
    let version = |name: &str| {
        let (_, rest) = manifest.split_once(&format!("\n{name} = \"")).unwrap();
        rest.split('"').next().unwrap()
    };
    assert!(instructions("FROM")[0].starts_with(&format!("rust:{}-", version("rust-version"))));
    assert!(instructions("RUN")[0].contains("cargo build --release --locked --bin mcp-gateway"));
    assert_eq!(instructions("ENTRYPOINT"), [r#"["/mcp-gateway"]"#]);
    assert_eq!(instructions("USER"), ["65532:65532"], "a number above 0, for runAsNonRoot");
    let chart = read(deploy().join("chart/Chart.yaml"));
    assert!(chart.contains(&format!("\nappVersion: {}\n", version("version"))));
    let deployments = of_kind(base(), "Deployment");
    assert_eq!(deployments.len(), 2);
    let mut ports = BTreeSet::new();
    for deployment in deployments {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container["image"],
            json!(format!("ghcr.io/mcp-gateway/mcp-gateway:{}", version("version")))
        );
        ports.extend(
            container["ports"].as_array().unwrap().iter().map(|port| port["containerPort"].to_string()),
        );
    }
    let exposed: BTreeSet<_> = instructions("EXPOSE")[0].split(' ').map(str::to_owned).collect();
    assert_eq!(exposed, ports);
}
