//! The rights of the `ServiceAccount` that `deploy/` gives the controller: enough for all of its work, and no more.

use crate::setting::Setting;

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_enough_and_no_more() {
    let setting = Setting::start().await;
    let controller = setting.controller().await;
    setting.register("one").await;
    setting.configuration_has("first-of-one").await;
    // what the controller takes away itself, before the owner is gone and the API server does
    for (change, deleted) in [
        (r#"{"spec":{"httpRouteManagement":"Disabled"}}"#, &["HTTPRoute"][..]),
        (r#"{"spec":{"targetRef":{"name":"nowhere"}}}"#, &["EnvoyFilter", "Secret"]),
    ] {
        let patch = ["patch", "mcpge", "-n", "mcp-system", "mcp-gateway", "--type=merge", "-p", change];
        setting.cluster.kubectl(&patch).await.unwrap();
        for kind in deleted {
            setting.cluster.wait_for_log(&controller, &format!("deleted kind={kind}")).await;
        }
    }
    let log = setting.cluster.pod_log(&controller);
    for word in ["cannot watch", "cannot write", "forbidden", "Forbidden"] {
        assert!(!log.contains(word), "{word} in\n{log}");
    }

    for refused in [
        &["delete", "secret", "-n", "team", "one"][..],
        &["patch", "secret", "-n", "team", "one", "-p", r#"{"data":{}}"#],
        &["delete", "httproute", "-n", "team", "one"],
        &["patch", "mcpsr", "-n", "team", "one", "--type=merge", "-p", r#"{"spec":{"state":"Disabled"}}"#],
        &["delete", "mcpsr", "-n", "team", "one"],
        &["get", "configmaps", "-n", "kube-system"],
        &["get", "configmap", "-n", "istio-system", "istio-ca-root-cert"],
        &["create", "configmap", "-n", "team", "other"],
        &["get", "pods", "-A"],
        &["get", "lease", "-n", "kube-system", "x"],
        &["delete", "lease", "-n", "mcp-system", "mcp-controller"],
        &["create", "serviceaccount", "-n", "mcp-system", "other"],
        &["create", "token", "-n", "mcp-system", "mcp-broker-router"],
        &["get", "clusterroles"],
    ] {
        let answer = setting.cluster.kubectl_as("mcp-system/mcp-controller", refused).await;
        let refusal = answer.err().unwrap_or_else(|| panic!("{refused:?} is allowed"));
        assert!(refusal.contains("Forbidden") || refusal.contains("forbidden"), "{refused:?}: {refusal}");
    }
}
