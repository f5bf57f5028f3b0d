//! The bootstrap on real Envoys: they accept it, and it keeps its promises whatever a client sends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bootstrap_peers;
mod common;

use std::{fs, path::Path};

use bootstrap_peers::{echo, processor};
use common::{Envoy, eventually, free_port};
use mcp_gateway::{
    envoy::{Address, BodyMode, Listeners, SYSTEM_CA_BUNDLE, bootstrap, to_yaml},
    routing::Spec,
    source::{Overrides, read, report},
};
use reqwest::{Client, Method, StatusCode, header::HOST};
use serde_json::{Value, json};

const VERSIONS: [&str; 2] = ["envoy", "envoy-1.36"];

#[test]
fn real_envoys_accept_every_bootstrap() {
    let many: Vec<Value> = (0..300)
        .map(|n| json!({"name": format!("many/s{n}.x"), "url": format!("https://s{n}.example")}))
        .collect();
    let odd = ["123", "true", "null", "no", "0x1", "1e3", "1.5", "12.30.45", "a/1"];
    let odd = odd.map(|name| json!({"name": name, "url": "http://127.0.0.1:3001"}));
    let ca = Path::new(SYSTEM_CA_BUNDLE)
        .exists()
        .then_some(SYSTEM_CA_BUNDLE)
        .expect("no system CA bundle: apt-get install ca-certificates");
    let servers = [
        ("no server", json!([])),
        (
            "TLS",
            json!([{"name": "mcp-test/github", "url": "https://api.githubcopilot.com/mcp/", "caBundle": ca}]),
        ),
        (
            "http, a port, short timeout",
            json!([{"name": "a", "url": "http://a.example:3001", "timeouts": {"connect": "250ms"}}]),
        ),
        ("IPv4", json!([{"name": "a", "url": "https://127.0.0.1:3001/x?y=1"}])),
        ("IPv6", json!([{"name": "a", "url": "https://[::1]:3001"}])),
        ("disabled", json!([{"name": "a", "url": "http://a.example", "enabled": false}])),
        ("names that YAML could take for something else", json!(odd)),
        ("many", json!(many)),
    ];
    for (what, servers) in servers {
        let spec =
            spec(&json!({"publicHost": ["mcp.example.com", "127.0.0.1", "[::1]"], "servers": servers}));
        accepted(what, &spec, &listeners("127.0.0.1:8001", "0.0.0.0:50051", "[::]:8080"));
    }
    let spec = spec(&json!({"publicHost": "mcp.example.com"}));
    for ext_proc in ["unix:/run/mcp-gateway/ext-proc.sock", "router.mcp-system:50051"] {
        for body_mode in [BodyMode::Buffered, BodyMode::FullDuplex] {
            let listeners =
                Listeners { body_mode, ..listeners("[::1]:8001", ext_proc, "broker.mcp-system:8080") };
            accepted(ext_proc, &spec, &listeners);
            accepted("no admin interface", &spec, &Listeners { admin: None, ..listeners });
        }
    }
}

fn accepted(what: &str, spec: &Spec, listeners: &Listeners) {
    let yaml = to_yaml(&bootstrap(spec, listeners));
    for version in VERSIONS {
        assert_eq!(Envoy::validate(version, &yaml), Ok(()), "{what}, {:?} on {version}", listeners.body_mode);
    }
}

#[tokio::test]
async fn the_newest_envoy_keeps_the_promises() {
    promises("envoy", BodyMode::Buffered).await;
}

#[tokio::test]
async fn the_oldest_envoy_keeps_the_promises() {
    promises("envoy-1.36", BodyMode::Buffered).await;
}

#[tokio::test]
async fn bodies_in_pieces_keep_the_promises() {
    promises("envoy", BodyMode::FullDuplex).await;
}

struct Running {
    envoy: Envoy,
    url: String,
    client: Client,
}

async fn promises(version: &str, body_mode: BodyMode) {
    let (broker, server) = (echo("broker").await, echo("server").await);
    let processor = processor().await;
    let spec = spec(&json!({
        "publicHost": ["mcp.example.com", "[::1]"],
        "servers": [
            {"name": "test/up", "hostname": "up.mcp.local", "url": format!("http://localhost:{server}/mcp")},
            {"name": "test/down", "hostname": "down.mcp.local", "url": format!("http://127.0.0.1:{}/mcp", free_port())},
            {"name": "test/off", "hostname": "off.mcp.local", "url": format!("http://127.0.0.1:{server}"), "enabled": false},
        ],
        "limits": {"body": "64KiB"},
    }));
    let listen = format!("127.0.0.1:{}", free_port());
    let listeners = listeners(&listen, &processor.address, &format!("0.0.0.0:{broker}"));
    let envoy =
        Envoy::start_version(version, &to_yaml(&bootstrap(&spec, &Listeners { body_mode, ..listeners })))
            .await;
    let running = Running { envoy, url: format!("http://{listen}"), client: Client::new() };

    running.public_hosts_go_to_the_broker_on_any_port().await;
    running.other_hosts_are_no_one().await;
    running.a_server_is_reached_only_by_the_processors_word(&server.to_string()).await;
    running.the_processors_own_answer_stays_as_it_is().await;
    if body_mode == BodyMode::Buffered {
        running.a_body_over_the_limit_is_told_so().await;
    }
    drop(processor);
    running.without_the_processor_nothing_is_forwarded().await;
}

impl Running {
    async fn send(
        &self,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (u16, String, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).header(HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{host}{path} {status}: {text:?}"));
        (status, kind.unwrap_or_default(), value)
    }

    async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let (status, kind, value) = self.send(Method::GET, host, path, headers, String::new()).await;
        assert!(kind.starts_with("application/json"), "{host}{path} {status}: {kind}");
        (status, value)
    }

    async fn public_hosts_go_to_the_broker_on_any_port(&self) {
        for host in ["mcp.example.com", "mcp.example.com:8001", "MCP.Example.com:1", "[::1]", "[::1]:8001"] {
            for path in ["/mcp", "/mcp/virtual/a", "/", "/.well-known/oauth-protected-resource"] {
                let (status, seen) = self.get(host, path, &[]).await;
                assert_eq!(
                    (status, &seen["who"], &seen["path"]),
                    (200, &json!("broker"), &json!(path)),
                    "{host}"
                );
                assert_eq!(seen["headers"]["host"].as_str().unwrap().to_lowercase(), host.to_lowercase());
            }
        }
    }

    async fn other_hosts_are_no_one(&self) {
        for host in [
            "other.example",
            "mcp.example.com.evil.example",
            "evil.mcp.example.com",
            "mcp.example.com:x",
            "127.0.0.1",
        ] {
            let (status, error) = self.get(host, "/mcp", &[]).await;
            assert_eq!((status, is_error(&error)), (404, true), "{host}: {error}");
        }
    }

    async fn a_server_is_reached_only_by_the_processors_word(&self, port: &str) {
        let forged = [
            ("x-mcp-servername", "test/up"),
            ("x-mcp-hairpin", "x"),
            ("mcp_gateway", "test/up"),
            ("mcp-gateway.server", "test/up"),
            ("x-envoy-original-host", "mcp.example.com"),
            ("x-envoy-upstream-rq-timeout-ms", "1"),
            ("x-envoy-retry-on", "5xx"),
            ("x-forwarded-host", "mcp.example.com"),
            ("x-envoy-internal", "true"),
        ];
        for host in ["up.mcp.local", "UP.mcp.local:8001", "off.mcp.local", "down.mcp.local"] {
            for headers in forged.iter().map(std::slice::from_ref).chain([&forged[..], &[]]) {
                let (status, error) = self.get(host, "/mcp", headers).await;
                assert_eq!((status, is_error(&error)), (403, true), "{host} {headers:?}: {error}");
            }
        }
        for (method, body) in [(Method::POST, "{\"a\":1}"), (Method::DELETE, "")] {
            let (status, _, seen) =
                self.send(method, "mcp.example.com", "/route/test/up", &forged, body.to_owned()).await;
            assert_eq!(
                (status, &seen["who"], &seen["body"]),
                (200, &json!("server"), &json!(body)),
                "{seen}"
            );
            assert_eq!(seen["headers"]["host"], format!("localhost:{port}"));
            let left = seen["headers"]
                .as_object()
                .unwrap()
                .keys()
                .filter(|name| name.starts_with("x-envoy") || name.contains('_'));
            assert_eq!(left.count(), 0, "{seen}");
        }
        let (status, error) = self.get("mcp.example.com", "/route/test/off", &[]).await;
        assert_eq!((status, is_error(&error)), (403, true), "{error}");
        let (status, error) = self.get("mcp.example.com", "/route/test/down", &[]).await;
        assert_eq!((status, is_error(&error)), (503, true), "{error}");
    }

    async fn the_processors_own_answer_stays_as_it_is(&self) {
        for status in [400, 403, 404, 413, 500, 503] {
            let (seen, _, error) = self
                .send(Method::POST, "mcp.example.com", &format!("/answer/{status}"), &[], "{}".to_owned())
                .await;
            assert_eq!(
                (seen, &error["id"], &error["error"]["message"]),
                (status, &json!(7), &json!("from the processor"))
            );
        }
    }

    async fn a_body_over_the_limit_is_told_so(&self) {
        let most = 64 << 10;
        let (status, _, seen) =
            self.send(Method::POST, "mcp.example.com", "/mcp", &[], "x".repeat(most)).await;
        assert_eq!((status, seen["body"].as_str().unwrap().len()), (200, most));
        let (status, kind, error) =
            self.send(Method::POST, "mcp.example.com", "/mcp", &[], "x".repeat(most + 1)).await;
        assert_eq!((status, kind.as_str(), is_error(&error)), (413, "application/json", true), "{error}");
    }

    async fn without_the_processor_nothing_is_forwarded(&self) {
        let error = eventually("the processor is gone", async || {
            let (status, error) = self.get("mcp.example.com", "/mcp", &[]).await;
            (status != StatusCode::OK).then_some((status, error))
        });
        let (status, error) = error.await;
        assert_eq!((status, is_error(&error)), (500, true), "{error}");
        for host in ["up.mcp.local", "mcp.example.com"] {
            let (status, _, error) =
                self.send(Method::POST, host, "/route/test/up", &[], "{}".to_owned()).await;
            assert_eq!((status, is_error(&error)), (500, true), "{error}");
        }
        assert!(self.envoy.process.log().contains("\"mcp_tool\""), "{}", self.envoy.process.log());
    }
}

fn is_error(body: &Value) -> bool {
    body["jsonrpc"] == "2.0"
        && body["id"].is_null()
        && body["error"]["code"].is_i64()
        && body["error"]["message"].is_string()
}

fn listeners(listen: &str, ext_proc: &str, broker: &str) -> Listeners {
    let address = |text: &str| text.parse::<Address>().unwrap();
    Listeners {
        listen: address(listen),
        admin: Some(address("127.0.0.1:9901")),
        ext_proc: address(ext_proc),
        broker: address(broker),
        body_mode: BodyMode::Buffered,
        ca_bundle: SYSTEM_CA_BUNDLE.into(),
    }
}

fn spec(document: &Value) -> Spec {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.json");
    fs::write(&file, document.to_string()).unwrap();
    read(&file, &Overrides::default()).unwrap_or_else(|problems| panic!("{}", report(&file, &problems))).spec
}
