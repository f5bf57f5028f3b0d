//! Objects as kustomize and Helm render them, and as files have them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::fetched;

/// Objects by kind, namespace and name.
pub type Objects = BTreeMap<String, Value>;

/// What the chart asks of a cluster; a `helm` built from its module takes an older version for given.
const KUBE_VERSION: &str = "1.30";

/// `kubectl apply -k deploy/` without the applying.
pub fn base() -> &'static Objects {
    static BASE: LazyLock<Objects> = LazyLock::new(|| kustomize(&deploy()));
    &BASE
}

pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn kustomize(folder: &Path) -> Objects {
    let kubectl = fetched("kubernetes").join("kubectl");
    let output = Command::new(kubectl).arg("kustomize").arg(folder).output().unwrap();
    objects(&succeeded("kubectl kustomize", output).unwrap())
}

/// An overlay beside `deploy/`, as a user writes one; `text` says `DEPLOY` for that folder.
pub fn overlay(text: &str) -> Objects {
    // kustomize takes relative paths alone, and no overlay inside of its base
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let up = "../".repeat(folder.path().components().count() - 1);
    let text = text.replace("DEPLOY", &format!("{up}{}", deploy().strip_prefix("/").unwrap().display()));
    fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
    kustomize(folder.path())
}

/// The chart with `arguments`, resource definitions included; an error is what Helm says.
pub fn helm(namespace: &str, arguments: &[&str]) -> Result<Objects, String> {
    let mut command = Command::new(fetched("helm"));
    command.args(["template", "mcp-gateway"]).arg(deploy().join("chart")).args(["--namespace", namespace]);
    command.args(["--include-crds", "--kube-version", KUBE_VERSION]).args(arguments);
    succeeded("helm template", command.output().unwrap()).map(|text| objects(&text))
}

fn succeeded(what: &str, output: Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// The documents of YAML text that are objects of Kubernetes, each with a name.
pub fn objects(text: &str) -> Objects {
    let mut found = Objects::new();
    for object in documents(text) {
        let key = key(&object);
        assert!(found.insert(key.clone(), object).is_none(), "{key} is there twice");
    }
    found
}

pub fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

pub fn key(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    assert!(!kind.is_empty() && !name.is_empty(), "no kind or no name: {object}");
    format!("{kind} {namespace}/{name}")
}

pub fn of_kind<'a>(objects: &'a Objects, kind: &str) -> Vec<&'a Value> {
    objects.values().filter(|object| object["kind"] == kind).collect()
}

/// The items of a list that has to be there.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

pub fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"))
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// Every file below `folder` whose name ends with `.extension`.
pub fn files_of(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let is_one = |file: &PathBuf| file.extension().is_some_and(|end| end == extension);
    files(folder).into_iter().filter(is_one).collect()
}

/// Every file below `folder`.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
