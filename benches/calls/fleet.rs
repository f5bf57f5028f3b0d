//! The processes of the variants: each has an Envoy of its own, and what that Envoy asks.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::Command, time::Duration};

use reqwest::{Client, Response};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixStream},
    time::sleep,
};

use crate::{
    bootstrap::Bootstrap,
    call::{self, Tool},
    common::{Envoy, Gateway, Process, eventually, free_port},
    nginx::Nginx,
    plan::{BodyMode, Cell, Setup, Transport, Variant},
    server::McpServer,
};

/// Longest wait until all servers are discovered.
const DISCOVERY_SECONDS: u32 = 180;

const PREFIXED: &str = "bench/prefixed";
const PLAIN: &str = "bench/plain";

/// Where a variant is called.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    address: String,
    variant: Variant,
    pub(crate) session: String,
    /// Pid of what Envoy asks.
    pub(crate) router: Option<u32>,
    pub(crate) envoy: Option<u32>,
}

impl Endpoint {
    pub(crate) fn url(&self, tool: Tool) -> String {
        let path =
            if self.variant.is_gateway() { "/mcp".to_owned() } else { format!("/call/{}", tool.name()) };
        format!("http://{}{path}", self.address)
    }

    /// The tool's name as a client says it.
    pub(crate) fn tool(&self, tool: Tool) -> String {
        format!("{}{}", self.variant.prefix(), tool.name())
    }

    pub(crate) async fn post(&self, tool: Tool, body: Vec<u8>) -> Response {
        let client = Client::builder().no_proxy().build().expect("a client");
        let request = client.post(self.url(tool)).body(body).header("mcp-session-id", &self.session);
        let request = request.header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream");
        request.header("mcp-protocol-version", "2025-06-18").send().await.expect("an answer")
    }

    /// That the answers are those of the files byte for byte, and that calls arrive as they were sent but for the prefix.
    pub(crate) async fn check(&self, cell: &Cell) {
        let answer = self.post(cell.tool, call::body(&self.tool(cell.tool), cell.body)).await;
        assert_eq!(answer.status(), 200, "{} on {}", cell.name, self.variant);
        let expected = cell.tool.file().expect("the tool of a cell answers from a file");
        assert!(
            answer.bytes().await.expect("a body") == expected,
            "{} on {}: another answer",
            cell.name,
            self.variant
        );
        let sent = call::body(&self.tool(Tool::Echo), cell.body);
        let answer = self.post(Tool::Echo, sent.clone()).await;
        assert_eq!(answer.status(), 200, "{} on {}: echo", cell.name, self.variant);
        let arrives = call::body(Tool::Echo.name(), sent.len() - self.variant.prefix().len());
        assert!(
            answer.bytes().await.expect("a body") == arrives,
            "{} on {}: another body arrived",
            cell.name,
            self.variant
        );
    }

    /// That `requests` answers have as many bytes as they must have.
    pub(crate) fn assert_whole(&self, cell: &Cell, requests: u64, bytes: u64) {
        let body = cell.tool.file().map_or(0, |file| file.len() as u64);
        let (least, most) = (requests * body, (requests + u64::from(cell.connections)) * (body + 1024));
        assert!(
            (least..most).contains(&bytes),
            "{} on {}: {bytes} bytes in {requests} answers",
            cell.name,
            self.variant
        );
    }
}

/// The running variants of one setup. Fields are dropped in order.
#[derive(Debug)]
pub(crate) struct Fleet {
    endpoints: BTreeMap<Variant, Endpoint>,
    envoys: Vec<Envoy>,
    no_ops: Vec<Process>,
    serving: Gateway,
    folder: TempDir,
}

impl Fleet {
    pub(crate) async fn start(setup: Setup, variants: &[Variant], nginx: &Nginx, server: &McpServer) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gateway_listen = format!("127.0.0.1:{}", free_port());
        let config = config(setup, &nginx.address, &server.address);
        let arguments = ["--private-host", &gateway_listen];
        let gateway = match setup.transport {
            Transport::Tcp => Gateway::start(&config, &arguments).await,
            Transport::Unix => Gateway::start_on_socket(&config, &arguments).await,
        };
        let mode = match setup.body_mode {
            BodyMode::Buffered => "buffered",
            BodyMode::FullDuplex => "full-duplex",
        };
        let bootstrap = Bootstrap::parse(&gateway.bootstrap(&gateway_listen, &["--body-mode", mode]));
        discovered(&gateway, 2 + setup.others).await;
        let mut fleet = Self {
            endpoints: BTreeMap::new(),
            envoys: Vec::new(),
            no_ops: Vec::new(),
            serving: gateway,
            folder,
        };
        let session = fleet.gateway(variants, &gateway_listen, &bootstrap).await;
        let outside = Endpoint {
            address: nginx.address.clone(),
            variant: Variant::Direct,
            session, // nobody reads it there, but it is as long
            router: None,
            envoy: None,
        };
        for &variant in variants {
            let endpoint = Endpoint { variant, ..outside.clone() };
            let endpoint = match variant {
                Variant::Direct => endpoint,
                Variant::Envoy => fleet.envoy(endpoint, |bootstrap| bootstrap.alone(PLAIN), &bootstrap).await,
                Variant::Gateway | Variant::GatewayPrefix | Variant::GatewayReads => continue,
                Variant::NoOp
                | Variant::NoOpTask
                | Variant::NoOpEcho
                | Variant::NoOpAttributes
                | Variant::NoOpCalm => fleet.no_op(endpoint, setup, &bootstrap).await,
            };
            fleet.endpoints.insert(variant, endpoint);
        }
        fleet
    }

    pub(crate) fn endpoint(&self, variant: Variant) -> &Endpoint {
        &self.endpoints[&variant]
    }

    async fn envoy(
        &mut self,
        endpoint: Endpoint,
        edit: impl FnOnce(Bootstrap) -> Bootstrap,
        bootstrap: &Bootstrap,
    ) -> Endpoint {
        let address = format!("127.0.0.1:{}", free_port());
        let bootstrap = edit(bootstrap.clone()).listening_on(&address);
        let envoy = Envoy::start(&bootstrap.text()).await;
        let pid = envoy.process.pid();
        self.envoys.push(envoy);
        Endpoint { address, envoy: Some(pid), ..endpoint }
    }

    async fn no_op(&mut self, endpoint: Endpoint, setup: Setup, bootstrap: &Bootstrap) -> Endpoint {
        let listen = match setup.transport {
            Transport::Tcp => format!("127.0.0.1:{}", free_port()),
            Transport::Unix => {
                format!("unix:{}", self.folder.path().join(endpoint.variant.to_string()).display())
            }
        };
        let mut command =
            Command::new(Path::new(env!("CARGO_BIN_EXE_mcp-gateway")).with_file_name("examples/no_op"));
        command.args(["--listen", &listen]);
        command.args(endpoint.variant.arguments());
        let process = Process::spawn("no_op", command);
        eventually("the no-op listens", async || match listen.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(path).await.is_ok().then_some(()),
            None => TcpStream::connect(&listen).await.is_ok().then_some(()),
        })
        .await;
        let router = Some(process.pid());
        self.no_ops.push(process);
        let edit = |bootstrap: Bootstrap| {
            let bootstrap = bootstrap.no_op(&listen, setup.body_mode, PLAIN);
            if endpoint.variant == Variant::NoOpAttributes {
                bootstrap.headers_as_attributes()
            } else {
                bootstrap
            }
        };
        let endpoint = self.envoy(endpoint.clone(), edit, bootstrap).await;
        Endpoint { router, ..endpoint }
    }

    /// One gateway for all of its variants, each in a session of its own; gives a session.
    async fn gateway(&mut self, variants: &[Variant], address: &str, bootstrap: &Bootstrap) -> String {
        let envoy = Envoy::start(&bootstrap.text()).await;
        let (envoy_pid, router_pid) = (envoy.process.pid(), self.serving.process.pid());
        self.envoys.push(envoy);
        for &variant in variants.iter().filter(|variant| variant.is_gateway()) {
            let endpoint = Endpoint {
                address: address.to_owned(),
                variant,
                session: session(address, variant).await,
                router: Some(router_pid),
                envoy: Some(envoy_pid),
            };
            self.endpoints.insert(variant, endpoint);
        }
        session(address, Variant::Gateway).await
    }
}

/// Both called servers are nginx; the others are `server.rs`.
fn config(setup: Setup, nginx: &str, server: &str) -> String {
    let mut config = String::from("publicHost: 127.0.0.1\nservers:\n");
    let mut add = |name: &str, url: &str, prefix: &str| {
        let host = name.replace('/', ".");
        let line = format!(
            "  - {{name: {name}, url: \"{url}\", hostname: {host}.local, toolPrefix: \"{prefix}\"}}\n"
        );
        config.push_str(&line);
    };
    add(PREFIXED, &format!("http://{nginx}/mcp"), Variant::GatewayPrefix.prefix());
    add(PLAIN, &format!("http://{nginx}/mcp"), "");
    let mut name = String::new();
    for other in 0..setup.others {
        name.clear();
        _ = write!(name, "others/server-{other}");
        add(&name, &format!("http://{server}/others/{other}"), "");
    }
    config
}

/// Waits longer than tests do: there may be many.
async fn discovered(gateway: &Gateway, servers: usize) {
    for _ in 0..DISCOVERY_SECONDS {
        let status = gateway.status().await;
        let known = status["servers"].as_array().expect("a list of servers");
        if known.iter().filter(|server| server["lastDiscovered"].is_u64()).count() == servers {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("not all of {servers} servers were discovered in {DISCOVERY_SECONDS} s");
}

/// A new session at the gateway.
async fn session(address: &str, variant: Variant) -> String {
    let client = Client::builder().no_proxy().build().expect("a client");
    let post = |message: serde_json::Value| {
        client
            .post(format!("http://{address}/mcp"))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(message.to_string())
    };
    let client_info = json!({"name": "bench", "version": "1"});
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": variant.capabilities(), "clientInfo": client_info});
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let answer = post(initialize).send().await.expect("an answer").error_for_status().expect("a session");
    let session = answer.headers()["mcp-session-id"].to_str().expect("text").to_owned();
    let initialized = post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let initialized = initialized.header("mcp-session-id", &session).send().await.expect("an answer");
    assert_eq!(initialized.status(), 202);
    session
}
