//! The custom resources as the API server takes them: names, columns, defaults, and what it refuses with which words.

use serde_json::{Value, json};

use crate::common::Cluster;

async fn defined() -> Cluster {
    let cluster = Cluster::kubernetes().await;
    cluster
        .kubectl(&["apply", "--server-side", "-f", "deploy/crds/mcp.kagenti.com_mcpserverregistrations.yaml"])
        .await
        .unwrap();
    cluster
        .kubectl(&["apply", "--server-side", "-f", "deploy/crds/mcp.kagenti.com_mcpgatewayextensions.yaml"])
        .await
        .unwrap();
    cluster
        .kubectl(&["apply", "--server-side", "-f", "deploy/crds/mcp.kagenti.com_mcpvirtualservers.yaml"])
        .await
        .unwrap();
    for plural in ["mcpserverregistrations", "mcpgatewayextensions", "mcpvirtualservers"] {
        let crd = format!("crd/{plural}.mcp.kagenti.com");
        cluster.kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=30s"]).await.unwrap();
    }
    cluster
}

fn object(kind: &str, spec: impl Into<Value>) -> String {
    let spec = spec.into();
    let metadata = json!({"name": "x", "namespace": "default"});
    json!({"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
        .to_string()
}

/// A spec with the target that all but one kind need.
fn with_target(mut fields: Value) -> Value {
    if fields.get("targetRef").is_none() {
        fields["targetRef"] = json!({"name": "t"});
    }
    fields
}

#[tokio::test]
async fn kubectl_knows_them_by_every_name_and_shows_the_columns() {
    let cluster = defined().await;
    for (kind, spec, names, columns) in [
        (
            "MCPServerRegistration",
            json!({"targetRef": {"name": "route"}, "toolPrefix": "a_", "credentialRef": {"name": "secret"}}),
            &["mcpsr", "mcpsrs", "mcpserver", "mcpserverregistrations"][..],
            "NAME PREFIX TARGET PATH READY TOOLS CREDENTIALS AGE",
        ),
        (
            "MCPGatewayExtension",
            json!({"targetRef": {"name": "gateway"}}),
            &["mcpge", "mcpgatewayextensions"],
            "NAME GATEWAY HOST READY AGE",
        ),
        ("MCPVirtualServer", json!({"tools": ["a_b"]}), &["mcpvs"], "NAME READY TOOLS AGE"),
    ] {
        cluster.apply(&object(kind, spec)).await.unwrap();
        for name in names {
            let table = cluster.kubectl(&["get", name, "-n", "default"]).await.unwrap();
            let head = table.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(head, columns, "{name}");
            assert!(table.lines().nth(1).unwrap().starts_with('x'), "{table}");
        }
    }
    let row = cluster.kubectl(&["get", "mcpsr", "x", "-n", "default", "--no-headers"]).await.unwrap();
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(row[..4], ["x", "a_", "route", "/mcp"]);
    assert_eq!(cluster.kubectl(&["get", "mcp", "-o", "name"]).await.unwrap().lines().count(), 3);
    let explained = cluster.kubectl(&["explain", "mcpsr.spec.toolPrefix"]).await.unwrap();
    assert!(explained.contains("Once set it cannot be changed"), "{explained}");
}

#[tokio::test]
async fn what_is_left_out_is_filled_in() {
    let cluster = defined().await;
    cluster
        .apply(&object(
            "MCPServerRegistration",
            json!({"targetRef": {"name": "t"}, "credentialRef": {"name": "s"}}),
        ))
        .await
        .unwrap();
    cluster.apply(&object("MCPGatewayExtension", json!({"targetRef": {"name": "t"}}))).await.unwrap();
    let spec = async |kind: &str| cluster.read(&[kind, "x"]).await.unwrap()["spec"].clone();
    assert_eq!(
        spec("mcpsr").await,
        json!({
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "t"},
            "toolPrefix": "", "path": "/mcp", "credentialRef": {"name": "s", "key": "token"},
            "credentialPolicy": "WhenAbsent", "state": "Enabled",
        })
    );
    assert_eq!(
        spec("mcpge").await,
        json!({
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "t"},
            "backendPingIntervalSeconds": 60, "httpRouteManagement": "Enabled", "requireSession": false,
            "maxBodyBytes": 4_194_304,
        })
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_the_message_says_what_would_be_right() {
    let cluster = defined().await;
    let long = "a".repeat(65);
    let many: Vec<_> = (0..1001).map(|index| format!("tool{index}")).collect();
    let (registration, extension, virtual_server) =
        ("MCPServerRegistration", "MCPGatewayExtension", "MCPVirtualServer");
    let prefix = "must be lower case letters, digits and '_', and not begin with '_'";
    let host = "must be a host alone, without scheme, port and path";
    let private = "must be HOST:PORT, with http:// or https:// before it or without";
    let origin = "each must be an origin alone";
    for (kind, fields, words) in [
        (registration, json!({"targetRef": null}), "spec.targetRef"),
        (registration, json!({"targetRef": {"name": ""}}), "at least 1 chars"),
        (
            registration,
            json!({"targetRef": {"name": "t", "kind": "Service"}}),
            r#"supported values: "HTTPRoute""#,
        ),
        (
            registration,
            json!({"targetRef": {"name": "t", "group": "x"}}),
            r#"supported values: "gateway.networking.k8s.io""#,
        ),
        (registration, json!({"toolPrefix": "_a"}), prefix),
        (registration, json!({"toolPrefix": "A_"}), prefix),
        (registration, json!({"toolPrefix": "a-"}), prefix),
        (registration, json!({"toolPrefix": long}), "may not be more than 64"),
        (registration, json!({"path": "mcp"}), "must begin with '/', such as /mcp"),
        (registration, json!({"path": "/m cp"}), "without blanks, '?' and '#'"),
        (registration, json!({"path": "/mcp?x=1"}), "without blanks, '?' and '#'"),
        (registration, json!({"credentialRef": {"name": ""}}), "at least 1 chars"),
        (registration, json!({"credentialRef": {"key": "token"}}), "spec.credentialRef.name: Required value"),
        (
            registration,
            json!({"credentialPolicy": "Always"}),
            r#"supported values: "WhenAbsent", "Replace", "Never""#,
        ),
        (registration, json!({"state": "On"}), r#"supported values: "Enabled", "Disabled""#),
        (registration, json!({"prefix": "a_"}), r#"unknown field "spec.prefix""#),
        (extension, json!({"targetRef": {"name": "t", "kind": "Ingress"}}), r#"supported values: "Gateway""#),
        (extension, json!({"publicHost": "https://mcp.example.com"}), host),
        (extension, json!({"publicHost": "mcp.example.com:80"}), host),
        (extension, json!({"publicHost": "mcp.example.com."}), host),
        (extension, json!({"publicHost": "*.example.com"}), host),
        (extension, json!({"privateHost": "x/y"}), private),
        (extension, json!({"privateHost": "ftp://x"}), private),
        (extension, json!({"backendPingIntervalSeconds": 9}), "greater than or equal to 10"),
        (extension, json!({"backendPingIntervalSeconds": 7201}), "less than or equal to 7200"),
        (extension, json!({"maxBodyBytes": 1023}), "greater than or equal to 1024"),
        (extension, json!({"maxBodyBytes": 67_108_865}), "less than or equal to"),
        (extension, json!({"httpRouteManagement": "No"}), r#"supported values: "Enabled", "Disabled""#),
        (extension, json!({"allowedOrigins": ["app.example.com"]}), origin),
        (extension, json!({"allowedOrigins": ["https://app.example.com/x"]}), origin),
        (extension, json!({"allowedOrigins": ["https://a", "https://a"]}), "Duplicate value"),
        (virtual_server, json!({}), "spec.tools: Required value"),
        (virtual_server, json!({"tools": []}), "at least 1 items"),
        (virtual_server, json!({"tools": many}), "must have at most 1000 items"),
        (virtual_server, json!({"tools": [""]}), "at least 1 chars"),
        (virtual_server, json!({"tools": ["a", "a"]}), "Duplicate value"),
        (virtual_server, json!({"tools": ["a"], "prompts": [""]}), "at least 1 chars"),
        (virtual_server, json!({"tools": ["a"], "resources": ["a:b", "a:b"]}), "Duplicate value"),
    ] {
        let spec = if kind == virtual_server { fields } else { with_target(fields) };
        let refusal = cluster.apply(&object(kind, spec.clone())).await;
        let refusal = refusal.err().unwrap_or_else(|| panic!("{kind} {spec} was taken"));
        assert!(refusal.contains(words), "{kind} {spec}: {refusal}");
    }
    for (kind, fields) in [
        (registration, json!({"toolPrefix": "a".repeat(64), "path": "/", "state": "Disabled"})),
        (extension, json!({"publicHost": "MCP.example.com", "privateHost": "https://10.0.0.1:8443"})),
        (extension, json!({"allowedOrigins": ["http://localhost:6274"], "maxBodyBytes": 67_108_864})),
    ] {
        cluster.apply(&object(kind, with_target(fields))).await.unwrap();
    }
}

#[tokio::test]
async fn a_prefix_can_be_set_later_and_not_changed_again() {
    let cluster = defined().await;
    cluster.apply(&object("MCPServerRegistration", with_target(json!({})))).await.unwrap();
    let patch = async |kind: &str, patch: Value| {
        cluster.kubectl(&["patch", "mcpsr", "x", "--type", kind, "-p", &patch.to_string()]).await
    };
    patch("merge", json!({"spec": {"toolPrefix": "a_"}})).await.unwrap();
    patch("merge", json!({"spec": {"path": "/other", "state": "Disabled"}})).await.unwrap();
    for change in [json!("b_"), json!(""), Value::Null] {
        let refusal = patch("merge", json!({"spec": {"toolPrefix": change}})).await.unwrap_err();
        assert!(refusal.contains("toolPrefix cannot be changed once it is set"), "{refusal}");
    }
    let removal = json!([{"op": "remove", "path": "/spec/toolPrefix"}]);
    let refusal = patch("json", removal).await.unwrap_err();
    assert!(refusal.contains("toolPrefix cannot be changed once it is set"), "{refusal}");
}
