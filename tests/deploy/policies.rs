//! Who reaches the pods, whom they reach, and how many may be away.

use serde_json::{Value, json};

use crate::render::{base, list, of_kind};

const ROUTER: &str = "NetworkPolicy mcp-system/mcp-broker-router";
const CONTROLLER: &str = "NetworkPolicy mcp-system/mcp-controller";

#[test]
fn only_pods_of_a_gateway_reach_the_router_and_the_broker() {
    let ingress = list(&base()[ROUTER], "/spec/ingress");
    let to = |port: &str| -> Vec<&Value> {
        ingress.iter().filter(|rule| list(rule, "/ports").iter().any(|open| open["port"] == port)).collect()
    };
    let gateway = json!([{
        "namespaceSelector": {},
        "podSelector": {"matchExpressions": [{"key": "gateway.networking.k8s.io/gateway-name", "operator": "Exists"}]},
    }]);
    for port in ["grpc", "http"] {
        let rules = to(port);
        assert_eq!(rules.len(), 1, "{port}: {rules:?}");
        assert_eq!(rules[0]["from"], gateway, "{port}");
    }
    for rule in ingress {
        assert!(!list(rule, "/ports").is_empty() && !list(rule, "/from").is_empty(), "open to all: {rule}");
    }
}

#[test]
fn metrics_are_for_monitoring_alone() {
    let monitoring =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    for policy in [ROUTER, CONTROLLER] {
        let ingress = list(&base()[policy], "/spec/ingress").iter();
        let rules: Vec<_> = ingress.filter(|rule| rule["ports"][0]["port"] == "admin").collect();
        assert_eq!(rules.len(), 1, "{policy}");
        assert_eq!(rules[0]["from"], monitoring, "{policy}");
    }
    assert_eq!(list(&base()[CONTROLLER], "/spec/ingress").len(), 1);
}

#[test]
fn the_controller_reaches_dns_and_the_api_server_alone() {
    let egress = list(&base()[CONTROLLER], "/spec/egress");
    let ports: Vec<_> = egress
        .iter()
        .flat_map(|rule| list(rule, "/ports"))
        .map(|port| port["port"].as_u64().unwrap())
        .collect();
    assert_eq!(ports, [53, 53, 5353, 5353, 443, 6443, 8443]);
    assert_eq!(base()[CONTROLLER]["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
}

#[test]
fn nobody_reaches_the_credentials_that_a_cloud_gives_its_nodes() {
    let egress = list(&base()[ROUTER], "/spec/egress");
    let anywhere: Vec<_> = egress.iter().filter(|rule| rule.get("ports").is_none()).collect();
    assert_eq!(anywhere.len(), 1, "{egress:?}");
    let blocks: Vec<_> = list(anywhere[0], "/to")
        .iter()
        .filter_map(|peer| peer.get("ipBlock"))
        .map(|block| &block["except"])
        .collect();
    assert_eq!(blocks, [&json!(["169.254.0.0/16"]), &json!(["fe80::/10", "fd00:ec2::254/128"])]);
    for rule in egress.iter().filter(|rule| rule.get("ports").is_some()) {
        let has_http = list(rule, "/ports").iter().any(|port| port["port"] == 80);
        assert!(!has_http, "the metadata service answers on port 80: {rule}");
    }
}

#[test]
fn a_node_can_be_emptied_whatever_the_number_of_replicas() {
    let budgets = of_kind(base(), "PodDisruptionBudget");
    assert_eq!(budgets.len(), 2);
    for budget in budgets {
        assert_eq!(budget["spec"]["maxUnavailable"], 1, "{budget}");
        assert!(budget["spec"].get("minAvailable").is_none(), "{budget}");
    }
}
