//! What the gateway finds out about itself through Envoy: who answers, and whether that can be feigned.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
};
use mcp_gateway::{
    clock,
    credentials::{KeyRing, Sealer},
    report::{self, Findings, Report, ServerReport, fingerprint},
    sessions::Hairpin,
    source::{self, Overrides},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    common::{PythonServer, eventually, free_port},
    hosts::{edited, with_filter},
    raw::request,
    setting::{Setting, Shape, config, in_shapes, server, through_envoy},
};

in_shapes! {
    what_works_is_found_to_work: Buffered, Buffered136, Duplex;
    envoys_own_answers_are_told_from_a_servers: Buffered, Buffered136, Duplex;
    a_policy_in_the_way_is_no_missing_route: Buffered, Buffered136, Duplex;
    a_gateway_without_the_router_is_found_out: Buffered, Duplex;
    another_server_in_the_brokers_place_cannot_feign_it: Buffered, Duplex;
    a_gateway_that_is_away_is_found_out_and_found_again: Buffered;
}

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";

async fn what_works_is_found_to_work(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let probed = Probed::start(shape, &config(&server("python", &python.url(), "py_")), |same| same).await;
    let before = python.requests().len();
    let report = probed.report().await;
    assert_eq!((report.gateway.attached, &report.gateway.error), (Some(true), &None));
    assert_good(&report.servers["test/python"]);
    let probes = eventually("the server has logged a probe", async || {
        let mut probes = python.requests().split_off(before);
        probes.retain(|request| request["headers"]["x-request-id"].is_string());
        (!probes.is_empty()).then_some(probes)
    })
    .await;
    assert!(probes.iter().all(|probe| probe["status"] == 404), "no session is made for a probe: {probes:?}");
    let status = probed.setting.gateway.status().await;
    assert_eq!(status["servers"][0]["fingerprint"], report.servers["test/python"].fingerprint);
    // the probes of a client, or of another gateway, are none
    let stranger = Sealer::new(KeyRing::generate().unwrap(), clock::now).seal_probe("n1");
    for (name, value) in [("x-mcp-probe", &*stranger), ("x-mcp-probe", "n1")] {
        let http = reqwest::Client::new().post(probed.setting.url()).header(name, value);
        let http = http.header("content-type", "application/json");
        let answer = http.body(request(1, "ping", json!({}))).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("x-mcp-probe")), (200, None));
    }
}

async fn envoys_own_answers_are_told_from_a_servers(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let (not_found, denied) = (Fixed::start(404).await, Fixed::start(401).await);
    let unavailable = Fixed::start(503).await;
    let nobody = format!("http://127.0.0.1:{}/mcp", free_port());
    let credential = format!(
        "  - {{name: test/denied, url: \"{}\", hostname: denied.mcp.local, credential: Bearer s3cr3t-key}}\n",
        denied.url
    );
    let servers = [
        server("python", &python.url(), "py_"),
        server("not-found", &not_found.url, ""),
        credential,
        server("unavailable", &unavailable.url, ""),
        server("nobody", &nobody, ""),
        server("no-route", &python.url(), "r_"),
        server("no-cluster", &python.url(), "c_"),
        server("no-match", &python.url(), "m_"),
    ];
    let probed = Probed::start(shape, &config(&servers.concat()), break_routes).await;
    let report = probed.report().await;
    assert_eq!(report.gateway.attached, Some(true), "{report:?}");
    for good in ["python", "not-found", "denied", "unavailable"] {
        assert_good(&report.servers[&format!("test/{good}")]);
    }
    // which does not show its own answers to the router
    let is_old = matches!(shape, Shape::Buffered136);
    for (bad, why) in [
        ("nobody", if is_old { "HTTP 503" } else { "upstream_reset_before_response_started" }),
        ("no-route", "no route for no-route.mcp.local"),
        ("no-cluster", if is_old { "HTTP 503" } else { "does not know the backend of no-cluster.mcp.local" }),
        ("no-match", "answers HTTP 403 itself"),
    ] {
        if is_old && bad == "no-match" {
            continue; // a 403 could be a policy's
        }
        let server = &report.servers[&format!("test/{bad}")];
        let error = server.route_error.as_deref().unwrap_or_default();
        assert!(server.routed == Some(false) && error.contains(why), "{bad}: {report:#?}");
        assert_eq!(server.guarded, Some(true), "{bad}");
    }
    let seen = denied.seen.lock().unwrap().clone();
    let probes: Vec<_> = seen.iter().filter(|fields| fields.contains_key("x-request-id")).collect();
    assert!(!probes.is_empty());
    for fields in probes {
        let internal = ["authorization", "x-mcp-api-key", "x-mcp-probe", "x-mcp-hairpin", "x-mcp-routed"];
        assert!(internal.iter().all(|name| !fields.contains_key(*name)), "{fields:?}");
    }
}

fn break_routes(bootstrap: String) -> String {
    edited(&bootstrap, |listener| {
        let routes = "/filter_chains/0/filters/0/typed_config/route_config";
        let routes = listener.pointer_mut(routes).unwrap();
        routes["validate_clusters"] = json!(false);
        for host in routes["virtual_hosts"].as_array_mut().unwrap() {
            match host["name"].as_str().unwrap() {
                "test/no-route" => host["domains"] = json!(["elsewhere.mcp.local"]),
                "test/no-cluster" => host["routes"][0]["route"]["cluster"] = json!("none"),
                "test/no-match" => {
                    host["routes"][0]["match"]["dynamic_metadata"][0]["filter"] = json!("other");
                }
                _ => {}
            }
        }
    })
}

async fn a_policy_in_the_way_is_no_missing_route(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let deny_all = json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {}},
        },
    });
    let config = config(&server("python", &python.url(), "py_"));
    let probed = Probed::start(shape, &config, |bootstrap| with_filter(&bootstrap, 1, deny_all)).await;
    let report = probed.report().await;
    assert_eq!(report.gateway.attached, Some(true), "{report:?}");
    assert_good(&report.servers["test/python"]);
    assert_eq!(through_envoy(&python), 0);
}

async fn a_gateway_without_the_router_is_found_out(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    // as Istio's routes are: nothing but the router guards them
    let without_router = |bootstrap: String| {
        edited(&bootstrap, |listener| {
            let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").unwrap();
            manager["http_filters"].as_array_mut().unwrap().remove(0);
            for host in manager["route_config"]["virtual_hosts"].as_array_mut().unwrap() {
                if let Some(matched) = host["routes"][0]["match"].as_object_mut() {
                    matched.remove("dynamic_metadata");
                }
            }
        })
    };
    let config = config(&server("python", &python.url(), "py_"));
    let probed = Probed::start(shape, &config, without_router).await;
    let report = probed.report().await;
    let error = report.gateway.error.as_deref().unwrap_or_default();
    assert!(
        report.gateway.attached == Some(false) && error.contains("without passing the router"),
        "{error}"
    );
    let python = &report.servers["test/python"];
    let error = python.route_error.as_deref().unwrap_or_default();
    assert!(python.routed == Some(false) && error.contains("not passed the router"), "{python:?}");
    assert_eq!(python.guarded, Some(false));
}

async fn another_server_in_the_brokers_place_cannot_feign_it(shape: Shape) {
    let python = PythonServer::start(&["--stateless"]).await;
    let elsewhere = |bootstrap: String| {
        edited(&bootstrap, |listener| {
            let hosts = "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
            for host in listener.pointer_mut(hosts).unwrap().as_array_mut().unwrap() {
                if host["name"] == "public" {
                    host["routes"][0]["route"]["cluster"] = json!("mcp_server/test/python");
                }
            }
        })
    };
    let config = config(&server("python", &python.url(), "py_"));
    let probed = Probed::start(shape, &config, elsewhere).await;
    let report = probed.report().await;
    eventually("it answers pings itself", async || (through_envoy(&python) > 0).then_some(())).await;
    let error = report.gateway.error.as_deref().unwrap_or_default();
    assert!(report.gateway.attached == Some(false) && error.contains("another server"), "{report:?}");
    assert_good(&report.servers["test/python"]);
}

async fn a_gateway_that_is_away_is_found_out_and_found_again(shape: Shape) {
    let python = PythonServer::start(&[]).await;
    let config = config(&server("python", &python.url(), "py_"));
    let mut probed = Probed::start(shape, &config, |same| same).await;
    assert_eq!(probed.report().await.gateway.attached, Some(true));
    probed.setting.envoy.process.kill();
    probed.prober = Prober::start(&probed.setting);
    let report = probed.report().await;
    let error = report.gateway.error.as_deref().unwrap_or_default();
    assert!(report.gateway.attached == Some(false) && error.contains("no connection to Envoy"), "{error}");
    let server = &report.servers["test/python"];
    assert_eq!((server.routed, server.guarded), (Some(false), None), "what is not heard is not known");
    let bootstrap = probed.setting.gateway.bootstrap(&probed.setting.listen, &[]);
    probed.setting.envoy = crate::common::Envoy::start(&bootstrap).await;
    eventually("the Gateway is found again", async || {
        let report = probed.prober.now();
        (report.gateway.attached == Some(true) && report.servers["test/python"].guarded == Some(true))
            .then_some(())
    })
    .await;
}

fn assert_good(server: &ServerReport) {
    assert_eq!((server.routed, &server.route_error, server.guarded), (Some(true), &None, Some(true)));
}

// Fixture

/// A gateway behind Envoy, and the probes that an instance with the same keys makes.
struct Probed {
    prober: Prober,
    setting: Setting,
    _keys: TempDir,
}

impl Probed {
    async fn start(shape: Shape, config: &str, edit: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        std::fs::write(&keys, KEY).unwrap();
        let arguments = ["--session-key-file", keys.to_str().unwrap()];
        let setting = Setting::start_edited(shape, config, &arguments, edit).await;
        Self { prober: Prober::start(&setting), setting, _keys: folder }
    }

    /// What has been found once everything has been tried.
    async fn report(&self) -> Report {
        eventually("everything is probed", async || {
            let report = self.prober.now();
            let tried = report.servers.values().all(|server| server.routed.is_some());
            (tried && report.gateway.attached.is_some()).then_some(report)
        })
        .await
    }
}

struct Prober {
    found: watch::Receiver<Findings>,
    untried: Report,
    _stop: DropGuard,
    _specs: watch::Sender<Arc<mcp_gateway::routing::Spec>>,
}

impl Prober {
    fn start(setting: &Setting) -> Self {
        let loaded = source::read(&setting.gateway.config_file(), &Overrides::default()).unwrap();
        let sealer = Arc::new(Sealer::new(KeyRing::parse(KEY).unwrap(), clock::now));
        let hairpin = Arc::new(Hairpin::new(&setting.listen, "127.0.0.1", sealer).unwrap());
        let servers = loaded.spec.servers.iter().map(|server| {
            let report = ServerReport { fingerprint: fingerprint(server), ..ServerReport::default() };
            (server.name.to_string(), report)
        });
        let untried = Report { servers: servers.collect(), ..Report::default() };
        let (specs, watched) = watch::channel(Arc::new(loaded.spec));
        let (findings, found) = watch::channel(Findings::default());
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(report::probe(hairpin, watched, findings, stop.clone()));
        Self { found, untried, _stop: stop.drop_guard(), _specs: specs }
    }

    fn now(&self) -> Report {
        let mut report = self.untried.clone();
        self.found.borrow().add_to(&mut report);
        report
    }
}

/// A server that answers everything with one status.
struct Fixed {
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Fixed {
    async fn start(status: u16) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let answer = move |fields: HeaderMap| async move {
            kept.lock().unwrap().push(fields);
            (StatusCode::from_u16(status).unwrap(), Value::Null.to_string())
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer);
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen }
    }
}
