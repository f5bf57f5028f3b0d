//! The guide: its commands are whole, name files that exist, and make what the files beside it make.

use std::{path::Path, process::Command};

use crate::render::{deploy, documents, read};
use crate::samples::remote_github;

/// What a user of the guide types, word for word.
const PROMISED: [&str; 5] = [
    "kubectl get mcpsrs -n mcp-test",
    "kubectl delete mcpserver github -n mcp-test",
    r#"kubectl logs -n mcp-system deploy/mcp-broker-router | grep "Discovered.*tools.*github""#,
    "curl -s http://mcp.127-0-0-1.sslip.io:8001/mcp",
    r#""params":{"name":"github_get_me""#,
];

#[test]
fn what_is_promised_is_in_the_guide() {
    let commands = blocks("sh").join("\n");
    for promised in PROMISED {
        assert!(commands.contains(promised), "the guide has no {promised}");
    }
}

#[test]
fn every_command_of_the_guide_is_whole_and_names_files_and_targets_that_exist() {
    let (run, shown) = (blocks("sh"), blocks("console"));
    assert!(run.len() >= 15 && !shown.is_empty(), "{run:?}");
    let makefile = read(root().join("Makefile"));
    for block in run.iter().chain(&shown) {
        let block = block.replace("$ ", "");
        let checked = Command::new("bash").args(["-n", "-c", &block]).output().unwrap();
        let complaint = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && complaint.is_empty(), "{block}: {complaint}");
        let words: Vec<&str> = block.split_whitespace().collect();
        for word in words.iter().filter(|word| word.starts_with("deploy/mcp-") || word.starts_with("deploy/"))
        {
            let is_deployment = ["deploy/mcp-controller", "deploy/mcp-broker-router"].contains(word);
            assert!(is_deployment || root().join(word).exists(), "{word} does not exist");
        }
        for target in words.windows(2).filter(|pair| pair[0] == "make").map(|pair| pair[1]) {
            assert!(makefile.contains(&format!("\n{target}: ##")), "there is no make {target}");
        }
    }
}

#[test]
fn the_secret_of_the_guide_is_the_file_beside_it() {
    let blocks = blocks("sh");
    let block = blocks.iter().find(|block| block.contains("kind: Secret")).unwrap();
    let (_, rest) = block.split_once("<<EOF\n").unwrap();
    let (heredoc, _) = rest.split_once("\nEOF").unwrap();
    assert_eq!(documents(heredoc), [remote_github("secret.yaml")]);
}

#[test]
fn every_file_beside_the_guide_is_a_step_of_it() {
    let guide = guide();
    for entry in std::fs::read_dir(deploy().join("samples/remote-github")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_told = guide.contains(&format!("deploy/samples/remote-github/{name}"));
        assert!(
            is_told || ["README.md", "secret.yaml"].contains(&name.as_str()),
            "{name} is not in the guide"
        );
    }
}

/// Blocks of one language, without its fences.
fn blocks(language: &str) -> Vec<String> {
    let guide = guide();
    let fence = format!("```{language}\n");
    guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn guide() -> String {
    read(deploy().join("samples/remote-github/README.md"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
