//! Bootstraps as text; `tests/bootstrap.rs` tries them on real Envoys.

use serde_json::Value;

use super::*;
use crate::routing::{
    Authority, CallCredential, Limits, ObjectName, Prefix, ServerSpec, Spec, Timeouts, VirtualServerSpec,
};

fn server(name: &str, url: &str) -> ServerSpec {
    ServerSpec {
        name: ObjectName::parse(name).unwrap(),
        url: url.parse().unwrap(),
        hostname: Authority::parse(&format!("{}.mcp.local", name.replace('/', "."))).unwrap(),
        prefix: Prefix::default(),
        credential: Some("Bearer hunter2".into()),
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts::default(),
    }
}

fn spec(servers: Vec<ServerSpec>) -> Spec {
    Spec {
        public_hosts: vec![Authority::parse("mcp.example.com").unwrap()],
        allowed_origins: Vec::new(),
        servers,
        virtual_servers: Vec::<VirtualServerSpec>::new(),
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits::default(),
    }
}

fn listeners(body_mode: BodyMode) -> Listeners {
    Listeners {
        listen: "127.0.0.1:8001".parse().unwrap(),
        admin: None,
        ext_proc: "unix:/run/mcp-gateway/ext-proc.sock".parse().unwrap(),
        broker: "0.0.0.0:8080".parse().unwrap(),
        body_mode,
        ca_bundle: SYSTEM_CA_BUNDLE.into(),
    }
}

#[test]
fn a_bootstrap_can_be_read() {
    let spec = spec(vec![server("mcp-test/github", "https://api.githubcopilot.com/mcp/")]);
    insta::assert_snapshot!("bootstrap", to_yaml(&bootstrap(&spec, &listeners(BodyMode::Buffered))));
}

#[test]
fn a_bootstrap_is_the_same_as_yaml_and_holds_no_credential() {
    let odd = server("a/b.c", "https://xn--mnchen-3ya.example:8443/mcp?key=%22%27%23:%20y");
    let whole = bootstrap(&spec(vec![odd]), &listeners(BodyMode::FullDuplex));
    let yaml = to_yaml(&whole);
    assert!(!yaml.contains("hunter2") && !yaml.contains("key="));
    let read: Value = serde_json::from_str(&whole.to_string()).unwrap();
    assert_eq!(read, whole);
}

#[test]
fn a_host_is_sent_as_a_client_of_the_server_would_send_it() {
    for (url, host) in [
        ("https://api.example.com/mcp", "api.example.com"),
        ("https://api.example.com:443/mcp", "api.example.com"),
        ("https://api.example.com:8443/mcp", "api.example.com:8443"),
        ("http://API.example.com:80/mcp", "api.example.com"),
        ("http://127.0.0.1:3001/mcp", "127.0.0.1:3001"),
        ("http://[::1]:3001/mcp", "[::1]:3001"),
    ] {
        assert_eq!(clusters::host(&server("a", url)), host);
    }
}

#[test]
fn a_certificate_is_checked_for_the_host_of_the_url() {
    let tls = |url: &str| {
        let clusters = clusters::clusters(&spec(vec![server("a", url)]), &listeners(BodyMode::Buffered));
        clusters[2]["transport_socket"]["typed_config"].clone()
    };
    let names = |tls: &Value| {
        tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0].clone()
    };
    let dns = tls("https://api.example.com");
    assert_eq!(
        (dns["sni"].as_str(), names(&dns)["san_type"].as_str()),
        (Some("api.example.com"), Some("DNS"))
    );
    assert_eq!(names(&dns)["matcher"]["exact"], "api.example.com");
    let ip = tls("https://[::1]:8443");
    assert_eq!((ip.get("sni"), names(&ip)["san_type"].as_str()), (None, Some("IP_ADDRESS")));
    assert_eq!(names(&ip)["matcher"]["exact"], "::1");
    assert_eq!(tls("http://api.example.com"), Value::Null);
}

#[test]
fn a_disabled_server_has_a_host_that_refuses_and_no_cluster() {
    let off = ServerSpec { enabled: false, ..server("a", "http://a.example") };
    let spec = spec(vec![off]);
    let listeners = listeners(BodyMode::Buffered);
    assert_eq!(clusters::clusters(&spec, &listeners).len(), 2);
    let routes = &routes::route_config(&spec)["virtual_hosts"][1]["routes"];
    assert_eq!(routes.as_array().unwrap().len(), 1);
    assert_eq!(routes[0]["direct_response"]["status"], 403);
}
