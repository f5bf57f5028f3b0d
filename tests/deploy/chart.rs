//! The chart's values: those it knows are used, others are refused, and so is what cannot work.

use serde_json::Value;

use crate::render::{deploy, documents, files, helm, read};

#[test]
fn a_value_that_the_chart_does_not_know_is_refused() {
    for values in
        ["dataPlane.replica=2", "contoller.enabled=false", "logFormat=xml", "extension.gateway.port=0"]
    {
        let refusal = helm("mcp-system", &["--set", values]).unwrap_err();
        let name = values.split(['.', '=']).next().unwrap();
        assert!(refusal.contains(name), "{values}: {refusal}");
    }
}

#[test]
fn several_replicas_without_redis_are_refused() {
    for values in ["dataPlane.replicas=2", "autoscaling.enabled=true"] {
        let refusal = helm("mcp-system", &["--set", values]).unwrap_err();
        assert!(refusal.contains("set redis.existingSecret"), "{values}: {refusal}");
        helm("mcp-system", &["--set", values, "--set", "redis.existingSecret=redis"]).unwrap();
    }
}

#[test]
fn every_value_is_used_and_described() {
    let chart = deploy().join("chart");
    let templates: String = files(&chart.join("templates")).iter().map(read).collect();
    let values = documents(&read(chart.join("values.yaml"))).remove(0);
    let schema: Value = serde_json::from_str(&read(chart.join("values.schema.json"))).unwrap();
    let mut paths = Vec::new();
    leaves("", &values, &schema, &mut paths);
    assert!(paths.len() > 40, "{paths:?}");
    for (path, description) in paths {
        let name = path.rsplit('.').next().unwrap();
        let is_used = templates
            .split(|c: char| !c.is_alphanumeric() && c != '.')
            .any(|word| word.rsplit('.').next() == Some(name) && word.contains('.'));
        assert!(is_used, "no template reads {path}");
        assert!(description, "values.schema.json does not say what {path} is");
    }
}

/// Each value's path, and whether the schema says what it is.
fn leaves(at: &str, values: &Value, schema: &Value, paths: &mut Vec<(String, bool)>) {
    for (name, value) in values.as_object().unwrap() {
        let path = format!("{at}.{name}");
        let described = &schema["properties"][name];
        if described["properties"].is_object() {
            leaves(&path, value, described, paths);
        } else {
            paths.push((path, described["description"].is_string()));
        }
    }
}

#[test]
fn values_reach_the_pods() {
    let values = "logLevel=debug,logFormat=json,dataPlane.sessionLifetime=2h,clusterDomain=example.org,\
        image.repository=example.org/a,image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000,\
        redis.existingSecret=redis,redis.key=address,dataPlane.replicas=3,controller.nodeSelector.disk=ssd,\
        networkPolicy.gatewayNamespaces={gateways}";
    let objects = helm("mcp-system", &["--set", values]).unwrap();
    let text = serde_json::to_string(&objects).unwrap();
    for part in [
        r#"{"name":"MCP_GATEWAY_LOG_LEVEL","value":"debug"}"#,
        r#"{"name":"MCP_GATEWAY_LOG_FORMAT","value":"json"}"#,
        r#"{"name":"MCP_GATEWAY_SESSION_LIFETIME","value":"2h"}"#,
        r#""--cluster-domain=example.org""#,
        r#""image":"example.org/a@sha256:0000"#,
        r#"{"secretKeyRef":{"name":"redis","key":"address"}}"#,
        r#""replicas":3"#,
        r#""nodeSelector":{"disk":"ssd"}"#,
        r#"{"key":"kubernetes.io/metadata.name","operator":"In","values":["gateways"]}"#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
