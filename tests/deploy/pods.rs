//! Every container is watched, limited and without rights on its node, and is started with flags that the binary has.

use std::{collections::BTreeMap, process::Command, time::Duration};

use mcp_gateway::serve::{DRAIN, END};
use serde_json::{Value, json};

use crate::render::{Objects, base, helm, list, of_kind, texts};

/// The pods of each way to install, every optional value set in the last one.
fn ways() -> Vec<Objects> {
    let all = "logLevel=debug,logFormat=json,dataPlane.sessionLifetime=2h,redis.existingSecret=redis";
    vec![base().clone(), helm("mcp-system", &["--set", all]).unwrap()]
}

fn for_each_container(check: impl Fn(&str, &Value, &Value)) {
    for objects in ways() {
        let deployments = of_kind(&objects, "Deployment");
        assert_eq!(deployments.len(), 2);
        for deployment in deployments {
            let (name, pod) =
                (deployment["metadata"]["name"].as_str().unwrap(), &deployment["spec"]["template"]["spec"]);
            assert!(pod.get("initContainers").is_none(), "{name}: not looked at here");
            for container in list(pod, "/containers") {
                check(name, pod, container);
            }
        }
    }
}

#[test]
fn every_container_has_probes_of_ports_that_it_has() {
    for_each_container(|name, _, container| {
        let ports = container["ports"].as_array().unwrap();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let probe = &container[probe];
            let port = ports.iter().find(|port| {
                port["name"] == probe["httpGet"]["port"] || port["containerPort"] == probe["grpc"]["port"]
            });
            assert!(port.is_some(), "{name}: {probe} is of none of {ports:?}");
        }
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz", "{name}");
    });
}

#[test]
fn the_router_is_asked_for_readiness_as_envoy_asks_it() {
    for_each_container(|name, _, container| {
        let readiness = &container["readinessProbe"];
        match name {
            "mcp-broker-router" => assert_eq!(readiness["grpc"], json!({"port": 50051})),
            _ => assert_eq!(readiness["httpGet"]["path"], "/readyz"),
        }
    });
}

#[test]
fn every_container_asks_for_what_it_needs_and_has_a_limit_of_memory() {
    for_each_container(|name, _, container| {
        for pointer in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            assert!(container["resources"].pointer(pointer).is_some(), "{name}: no {pointer}");
        }
    });
}

#[test]
fn no_container_has_rights_on_its_node() {
    for_each_container(|name, pod, container| {
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container["securityContext"], expected, "{name}");
        let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(pod["securityContext"], expected, "{name}");
        for shared in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
            assert!(pod.get(shared).is_none(), "{name}: {shared}");
        }
    });
}

#[test]
fn a_pod_says_whose_token_it_gets_and_gets_no_other_environment() {
    for_each_container(|name, pod, _| {
        assert_eq!(pod["serviceAccountName"], name);
        assert_eq!(pod["automountServiceAccountToken"], true, "{name}");
        assert_eq!(pod["enableServiceLinks"], false, "{name}");
    });
    for objects in ways() {
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{account}");
        }
    }
}

#[test]
fn a_pod_has_the_time_that_a_graceful_stop_takes() {
    for_each_container(|name, pod, container| {
        let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
        let sleep = container.pointer("/lifecycle/preStop/sleep/seconds").map_or(0, |s| s.as_u64().unwrap());
        if name == "mcp-broker-router" {
            assert!(sleep > 0, "Envoy picks a router that has stopped to listen");
            assert!(
                grace > Duration::from_secs(sleep) + DRAIN + END,
                "{grace:?} of {sleep} s, {DRAIN:?}, {END:?}"
            );
        }
    });
}

#[test]
fn every_flag_and_environment_name_is_known_to_the_binary() {
    for_each_container(|name, _, container| {
        let arguments = texts(&container["args"]);
        let (command, flags) = arguments.split_first().unwrap();
        let help = help(command);
        for flag in flags {
            let flag = flag.split('=').next().unwrap();
            assert!(help.contains(&format!(" {flag} <")), "{name}: {command} has no {flag}");
        }
        let environment = container["env"].as_array().unwrap();
        assert!(environment.len() >= 2, "{environment:?}");
        for variable in environment {
            let variable = variable["name"].as_str().unwrap();
            let is_known = ["=", "]"].iter().any(|end| help.contains(&format!("[env: {variable}{end}")));
            assert!(is_known, "{name}: {command} reads no {variable}");
        }
    });
}

fn help(command: &str) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    let output = process.args([command, "--help"]).output().unwrap();
    assert!(
        output.status.success(),
        "mcp-gateway has no {command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn everything_that_selects_pods_selects_those_of_its_deployment() {
    for objects in ways() {
        let pods: BTreeMap<&str, &Value> = of_kind(&objects, "Deployment")
            .into_iter()
            .map(|deployment| {
                (deployment["metadata"]["name"].as_str().unwrap(), &deployment["spec"]["template"])
            })
            .collect();
        let mut selectors = Vec::new();
        for (name, pod) in &pods {
            let spreads = list(pod, "/spec/topologySpreadConstraints");
            assert_eq!(spreads.len(), 2, "{name}: over zones and nodes");
            selectors.extend(spreads.iter().map(|spread| (*name, &spread["labelSelector"]["matchLabels"])));
        }
        for (kind, pointer) in [
            ("Deployment", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ] {
            for object in of_kind(&objects, kind) {
                selectors
                    .push((object["metadata"]["name"].as_str().unwrap(), object.pointer(pointer).unwrap()));
            }
        }
        assert_eq!(selectors.len(), 4 + 2 + 1 + 2 + 2);
        for (name, selector) in selectors {
            assert_eq!(selector, &json!({"app.kubernetes.io/name": name}));
            assert_eq!(pods[name]["metadata"]["labels"]["app.kubernetes.io/name"], name);
        }
    }
}

#[test]
fn envoy_finds_the_ports_by_the_names_that_istio_reads() {
    for objects in ways() {
        let service = &objects["Service mcp-system/mcp-broker-router"];
        let ports = json!([
            {"name": "http", "port": 8080, "targetPort": "http"},
            {"name": "grpc", "port": 50051, "targetPort": "grpc"},
        ]);
        assert_eq!(service["spec"]["ports"], ports);
        let deployment = &objects["Deployment mcp-system/mcp-broker-router"];
        let ports = json!([
            {"name": "http", "containerPort": 8080},
            {"name": "grpc", "containerPort": 50051},
            {"name": "admin", "containerPort": 9090},
        ]);
        assert_eq!(deployment.pointer("/spec/template/spec/containers/0/ports"), Some(&ports));
    }
}
