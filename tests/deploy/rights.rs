//! What each service account may do: exactly this, each rule a line of resources, names, verbs.

use serde_json::Value;

use crate::render::{base, list, of_kind, texts};

/// Stands for the Secrets that the controller writes and the data plane reads.
const OWN: &str = "OWN";

const CONTROLLER_IN_THE_CLUSTER: [&str; 11] = [
    "mcp.kagenti.com mcpserverregistrations,mcpgatewayextensions,mcpvirtualservers *: get,list,watch",
    "mcp.kagenti.com mcpserverregistrations/status,mcpgatewayextensions/status,mcpvirtualservers/status *: patch",
    "gateway.networking.k8s.io httproutes,gateways,referencegrants *: get,list,watch",
    "core services,namespaces *: get,list,watch",
    "networking.istio.io serviceentries,destinationrules,envoyfilters *: get,list,watch",
    "core secrets *: get,list,watch",
    "core secrets *: create",
    "core secrets OWN: patch,delete",
    "core configmaps mcp-gateway-status: get,list,watch,create,patch,delete",
    "gateway.networking.k8s.io httproutes mcp-gateway-route: create,patch,delete",
    "networking.istio.io envoyfilters *: create,patch,delete",
];

#[test]
fn the_controller_may_do_this_and_no_more() {
    assert_eq!(rules("ClusterRole /mcp-controller"), CONTROLLER_IN_THE_CLUSTER);
    let lease =
        ["coordination.k8s.io leases *: create", "coordination.k8s.io leases mcp-controller: get,update"];
    assert_eq!(rules("Role mcp-system/mcp-controller"), lease);
}

#[test]
fn a_data_plane_reads_its_secrets_and_reports_and_no_more() {
    let both = ["core secrets OWN: get,list,watch", "core configmaps mcp-gateway-status: get,patch"];
    assert_eq!(rules("Role mcp-system/mcp-broker-router"), both);
}

#[test]
fn each_role_is_given_to_the_account_of_its_name_alone() {
    for (kind, role, count) in [("ClusterRole", "ClusterRoleBinding", 1), ("Role", "RoleBinding", 2)] {
        assert_eq!(of_kind(base(), kind).len(), count, "{kind}");
        let bindings = of_kind(base(), role);
        assert_eq!(bindings.len(), count, "{role}");
        for binding in bindings {
            let name = &binding["metadata"]["name"];
            assert_eq!((&binding["roleRef"]["kind"], &binding["roleRef"]["name"]), (&kind.into(), name));
            let subject =
                serde_json::json!([{"kind": "ServiceAccount", "name": name, "namespace": "mcp-system"}]);
            assert_eq!(binding["subjects"], subject);
        }
    }
}

/// The rules of a role, a line each; a wildcard in it, or a path, is refused.
fn rules(role: &str) -> Vec<String> {
    let role = &base()[role];
    list(role, "/rules").iter().map(line).collect()
}

fn line(rule: &Value) -> String {
    assert!(!rule.to_string().contains('*') && rule.get("nonResourceURLs").is_none(), "too wide: {rule}");
    let groups = texts(&rule["apiGroups"]).join(",");
    let group = if groups.is_empty() { "core" } else { &groups };
    let names = match rule.get("resourceNames").map(texts) {
        None => "*".to_owned(),
        Some(names) if names == own_secrets() => OWN.to_owned(),
        Some(names) => names.join(","),
    };
    let (resources, verbs) = (texts(&rule["resources"]).join(","), texts(&rule["verbs"]).join(","));
    format!("{group} {resources} {names}: {verbs}")
}

fn own_secrets() -> Vec<String> {
    let parts = (1..=15).map(|part| format!("mcp-gateway-config-{part}"));
    ["mcp-gateway-config".to_owned()]
        .into_iter()
        .chain(parts)
        .chain(["mcp-gateway-session-key".to_owned()])
        .collect()
}
