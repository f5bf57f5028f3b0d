//! There is one truth: what Helm installs is what kustomize installs.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::render::{Objects, base, deploy, files, helm, kustomize, overlay};

const NAMESPACE: &str = "mcp-system";

#[test]
fn kustomize_and_helm_install_the_same_objects() {
    let mut kustomized = base().clone();
    // Helm makes it on demand (--create-namespace), and not from a chart
    assert!(kustomized.remove("Namespace /mcp-system").is_some());
    assert_same(kustomized, helm(NAMESPACE, &[]).unwrap());
}

#[test]
fn replicas_are_the_same_both_ways() {
    let kustomized = overlay("resources: [DEPLOY]\ncomponents: [DEPLOY/components/replicas]\n");
    let values = "autoscaling.enabled=true,redis.existingSecret=mcp-gateway-redis";
    let mut rendered = helm(NAMESPACE, &["--set", values]).unwrap();
    let deployment = &kustomized["Deployment mcp-system/mcp-broker-router"];
    assert!(
        deployment.pointer("/spec/replicas").is_none(),
        "the autoscaler's number is undone: {deployment}"
    );
    rendered.insert("Namespace /mcp-system".to_owned(), kustomized["Namespace /mcp-system"].clone());
    assert_same(kustomized, rendered);
}

#[test]
fn a_further_data_plane_is_the_same_both_ways() {
    let kustomized = overlay("namespace: team-a\nresources: [DEPLOY/broker-router]\n");
    let mut rendered = helm("team-a", &["--set", "controller.enabled=false"]).unwrap();
    rendered.retain(|_, object| object["kind"] != "CustomResourceDefinition");
    assert!(kustomized.len() >= 7 && kustomized.keys().all(|key| key.contains(" team-a/")), "{kustomized:?}");
    assert!(!format!("{kustomized:?}").contains(NAMESPACE), "a trace of the first one: {kustomized:?}");
    assert_same(kustomized, rendered);
}

#[test]
fn the_sample_gateway_is_the_same_both_ways() {
    let mut kustomized = kustomize(&deploy().join("samples/gateway"));
    assert!(kustomized.remove("Namespace /gateway-system").is_some());
    let mut rendered =
        helm(NAMESPACE, &["--set", "extension.create=true,extension.gateway.create=true"]).unwrap();
    let without = helm(NAMESPACE, &[]).unwrap();
    rendered.retain(|key, _| !without.contains_key(key));
    assert_same(kustomized, rendered);
}

/// Copies, since a symlink does not survive every way that a chart is packed or checked out.
#[test]
fn the_chart_has_the_same_resource_definitions() {
    let definitions = |folder: &str| -> Vec<_> {
        let files = files(&deploy().join(folder)).into_iter();
        files.map(|file| (file.file_name().unwrap().to_owned(), fs::read(&file).unwrap())).collect()
    };
    let mut golden = definitions("crds");
    golden.retain(|(name, _)| name != "kustomization.yaml");
    assert_eq!(golden.len(), 3, "deploy/crds has no 3 definitions");
    for (name, _) in &golden {
        let link = deploy().join("chart/crds").join(name);
        assert!(!link.is_symlink(), "{} is a link: some ways to pack a chart lose it", link.display());
    }
    assert!(
        golden == definitions("chart/crds"),
        "chart/crds differs: cp deploy/crds/mcp.kagenti.com_*.yaml deploy/chart/crds/"
    );
}

fn assert_same(mut kustomized: Objects, mut rendered: Objects) {
    for object in kustomized.values_mut().chain(rendered.values_mut()) {
        drop_labels_of_helm(object);
        sort_environment(object);
    }
    let mut complaints = Vec::new();
    for key in kustomized.keys().chain(rendered.keys()).collect::<BTreeSet<_>>() {
        match (kustomized.get(key), rendered.get(key)) {
            (Some(ours), Some(theirs)) => differences(key, ours, theirs, &mut complaints),
            (Some(_), None) => complaints.push(format!("{key}: not in the chart")),
            (None, _) => complaints.push(format!("{key}: only in the chart")),
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(!kustomized.is_empty());
}

/// Labels that say what made an object are no part of what it does.
fn drop_labels_of_helm(object: &mut Value) {
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        for label in ["app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"] {
            labels.remove(label);
        }
    }
}

/// Environment has no order (none of ours refers to another), and a patch puts its own first.
fn sort_environment(object: &mut Value) {
    if let Some(containers) =
        object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut)
    {
        for environment in containers.iter_mut().filter_map(|container| container["env"].as_array_mut()) {
            environment.sort_by_key(|variable| variable["name"].to_string());
        }
    }
}

fn differences(at: &str, ours: &Value, theirs: &Value, complaints: &mut Vec<String>) {
    if let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) {
        for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
            let (ours, theirs) = (ours.get(name), theirs.get(name));
            differences(
                &format!("{at} .{name}"),
                ours.unwrap_or(&Value::Null),
                theirs.unwrap_or(&Value::Null),
                complaints,
            );
        }
    } else if let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array())
        && ours.len() == theirs.len()
    {
        for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            differences(&format!("{at}[{index}]"), ours, theirs, complaints);
        }
    } else if ours != theirs {
        complaints.push(format!("{at}: kustomize has {ours}, the chart has {theirs}"));
    }
}
