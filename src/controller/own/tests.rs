//! The objects as YAML, and configurations through Secrets and back.

use serde_json::Value;

use super::*;
use crate::routing::fixture;

fn yaml(fields: &Value) -> String {
    serde_saphyr::to_string(fields).unwrap()
}

fn attachment() -> Attachment {
    let server = |name: &str, hostname: &str, external| ServerHost {
        server: name.to_owned(),
        virtual_hosts: vec![virtual_host(hostname, 80)],
        external,
        call: (name == "mcp-test/github").then(|| CallRoute {
            virtual_host: virtual_host(hostname, 80),
            host: "api.githubcopilot.com".to_owned(),
            port: 443,
            rewritten_host: Some("api.githubcopilot.com".to_owned()),
        }),
    };
    let service = Some(("api.githubcopilot.com".to_owned(), 443));
    Attachment {
        gateway: Key::new("gateway-system", "mcp-gateway"),
        port: 8080,
        listener_port: 80,
        service_host: "mcp-broker-router.mcp-system.svc.cluster.local".to_owned(),
        name: "mcp-gateway-mcp-system-mcp".to_owned(),
        body_limit: 4 << 20,
        public_hosts: vec!["mcp.127-0-0-1.sslip.io".to_owned()],
        is_broker_first: true,
        servers: vec![
            server("mcp-test/github", "github.mcp.local", Some(External { plain_service: service })),
            server("mcp-test/search", "search.mcp.local", Some(External::default())),
            server("mcp-test/time", "time.mcp.local", None),
        ],
    }
}

fn patches(attachment: &Attachment) -> Vec<Value> {
    envoy_filter(attachment)["spec"]["configPatches"].as_array().unwrap().clone()
}

#[test]
fn an_envoy_filter_shows_the_router_the_public_hosts_and_guards_the_servers() {
    insta::assert_snapshot!("envoy_filter", yaml(&envoy_filter(&attachment())));
}

#[test]
fn the_filter_is_the_one_of_the_bootstrap() {
    let filter = &patches(&attachment())[0]["patch"]["value"];
    let listeners = crate::envoy::Listeners {
        listen: "127.0.0.1:8001".parse().unwrap(),
        admin: None,
        ext_proc: "127.0.0.1:50051".parse().unwrap(),
        broker: "127.0.0.1:8080".parse().unwrap(),
        body_mode: crate::envoy::BodyMode::Buffered,
        ca_bundle: crate::envoy::SYSTEM_CA_BUNDLE.into(),
    };
    let bootstrap = crate::envoy::bootstrap(&fixture::spec(), &listeners);
    let manager = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
    let mut its = manager["typed_config"]["http_filters"][0]["typed_config"].clone();
    its["grpc_service"]["envoy_grpc"] = filter["typed_config"]["grpc_service"]["envoy_grpc"].clone();
    assert_eq!(filter["typed_config"], its);
}

#[test]
fn with_more_servers_than_there_is_room_for_the_router_sees_the_whole_port() {
    let many = |count: usize| {
        let server = |n| ServerHost {
            server: format!("{}/server-{n}", "n".repeat(63)),
            virtual_hosts: vec![format!("{}.server-{n}.mcp.local:80", "h".repeat(63))],
            external: Some(External {
                plain_service: Some((format!("{}.server-{n}.example", "e".repeat(63)), 443)),
            }),
            call: None,
        };
        Attachment { servers: (0..count).map(server).collect(), ..attachment() }
    };
    let some = patches(&many(300));
    assert_eq!(some[0]["patch"]["value"]["disabled"], true);
    assert_eq!(some.iter().filter(|patch| patch["applyTo"] == "HTTP_ROUTE").count(), 301);
    for count in [1000, 3000] {
        let all = many(count);
        assert!(envoy_filter(&all).to_string().len() < 5 << 18, "leaves too little below 1.5 MiB");
        let all = patches(&all);
        assert_eq!(all[0]["patch"]["value"].get("disabled"), None);
        assert!(!all.iter().any(|patch| patch["applyTo"] == "HTTP_ROUTE"));
    }
}

#[test]
fn a_route_brings_the_public_host_to_the_broker() {
    let route = PublicRoute {
        gateway: Key::new("gateway-system", "mcp-gateway"),
        section_name: "mcp".to_owned(),
        public_host: "mcp.127-0-0-1.sslip.io".to_owned(),
        service: "mcp-broker-router".to_owned(),
    };
    insta::assert_snapshot!(yaml(&http_route(&route)), @r#"
    spec:
      parentRefs:
      - group: gateway.networking.k8s.io
        kind: Gateway
        namespace: gateway-system
        name: mcp-gateway
        sectionName: mcp
      hostnames:
      - mcp.127-0-0-1.sslip.io
      rules:
      - matches:
        - path:
            type: PathPrefix
            value: /mcp
        backendRefs:
        - group: ""
          kind: Service
          name: mcp-broker-router
          port: 8080
          weight: 1
    "#);
}

#[test]
fn what_is_made_says_whose_it_is() {
    let metadata = Value::Object(metadata(Kind::EnvoyFilter, &Key::new("gateway-system", "a")));
    insta::assert_snapshot!(yaml(&metadata), @r"
    apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata:
      name: a
      namespace: gateway-system
      labels:
        app.kubernetes.io/managed-by: mcp-controller
        app.kubernetes.io/part-of: mcp-gateway
    ");
    assert_eq!(super::metadata(Kind::OwnSecret, &Key::new("a", "b"))["apiVersion"], "v1");
}

#[test]
fn a_configuration_is_written_as_secrets_that_only_the_extension_owns() {
    let owner = json!({"kind": "MCPGatewayExtension", "name": "mcp"});
    let writes = config_secrets("mcp-system", &fixture::spec(), std::slice::from_ref(&owner)).unwrap();
    let [Write::Apply { kind: Kind::OwnSecret, key, body: Body::Secret { entries, owners } }] = &writes[..]
    else {
        panic!("{writes:?}");
    };
    assert_eq!((key.to_string().as_str(), owners), ("mcp-system/mcp-gateway-config", &vec![owner]));
    assert_eq!(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["config.json"]);
    assert!(!format!("{writes:?}").contains("hunter2"));
    assert_eq!(shard_names(2), ["mcp-gateway-config", "mcp-gateway-config-1"]);
    assert_eq!(shard_names(100).len(), source::MAX_SHARDS);
}
