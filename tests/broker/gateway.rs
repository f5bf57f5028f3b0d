//! A broker that listens on a free port, and requests to it as the router sends them.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway::broker::{Broker, Options, Pace, ServerStatus, Shared};
use mcp_gateway::clock;
use mcp_gateway::credentials::{KeyRing, Sealer};
use mcp_gateway::exchange::Tokens;
use mcp_gateway::routing::{
    Authority, CallCredential, Limits, ObjectName, Prefix, Routes, ServerSpec, Spec, Timeouts,
    VirtualServerSpec,
};
use mcp_gateway::sessions::{Hairpin, Store};
use mcp_gateway::telemetry::Metrics;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::common;

/// A running broker; it ends when it is dropped.
pub struct Gateway {
    pub url: String,
    pub broker: Arc<Broker>,
    pub sealer: Arc<Sealer>,
    pub store: Arc<Store>,
    pub hairpin: Arc<Hairpin>,
    pub specs: watch::Sender<Arc<Spec>>,
    pub http: reqwest::Client,
    pub tasks: TaskTracker,
    stop: Option<DropGuard>,
}

pub fn server(name: &str, url: &Url, prefix: &str) -> ServerSpec {
    ServerSpec {
        name: ObjectName::parse(name).unwrap(),
        url: url.clone(),
        hostname: Authority::parse(&format!("{}.mcp.local", name.replace('/', "."))).unwrap(),
        prefix: Prefix::parse(prefix).unwrap(),
        credential: None,
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts { connect: Duration::from_secs(2), request: Duration::from_secs(2) },
    }
}

pub fn spec(servers: &[ServerSpec]) -> Spec {
    Spec {
        public_hosts: vec![Authority::parse("mcp.example.com").unwrap()],
        allowed_origins: Vec::new(),
        servers: servers.to_vec(),
        virtual_servers: Vec::new(),
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits::default(),
    }
}

pub fn virtual_server(name: &str, tools: &[&str]) -> VirtualServerSpec {
    let tools = tools.iter().map(|&tool| tool.to_owned()).collect();
    VirtualServerSpec { name: ObjectName::parse(name).unwrap(), tools, prompts: None, resources: None }
}

/// In a hurry, but for the timer: what is listed again was announced.
pub fn pace() -> Pace {
    Pace {
        relist: Duration::from_hours(1),
        pause: Duration::from_millis(20),
        settle: Duration::from_millis(20),
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(200),
    }
}

impl Gateway {
    pub async fn start(spec: Spec) -> Self {
        Self::start_at(spec, pace()).await
    }

    pub async fn start_at(spec: Spec, pace: Pace) -> Self {
        let sealer = Arc::new(Sealer::new(KeyRing::generate().unwrap(), clock::now));
        Self::start_sharing(spec, pace, sealer, Arc::new(Store::memory(1000, clock::now))).await
    }

    /// Another replica of this one.
    pub async fn replica(&self) -> Self {
        let spec = Spec::clone(&self.specs.borrow());
        Self::start_sharing(spec, pace(), Arc::clone(&self.sealer), Arc::clone(&self.store)).await
    }

    async fn start_sharing(spec: Spec, pace: Pace, sealer: Arc<Sealer>, store: Arc<Store>) -> Self {
        let hairpin = Hairpin::new("127.0.0.1:9", "mcp.example.com", Arc::clone(&sealer)).unwrap();
        let hairpin = Arc::new(hairpin);
        let routes = Arc::new(Routes::default());
        let shared = Shared {
            routes: Arc::clone(&routes),
            sealer: Arc::clone(&sealer),
            store: Arc::clone(&store),
            hairpin: Arc::clone(&hairpin),
            metrics: Arc::new(Metrics::new()),
            clock: clock::now,
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let broker = Arc::new(Broker::new(shared, Options { pace, ..Options::default() }, stop.clone()));
        let (specs, newest) = watch::channel(Arc::new(spec));
        let running = Arc::clone(&broker);
        tasks.spawn(async move { running.run(newest).await });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (app, stopped) = (broker.app(), stop.clone().cancelled_owned());
        tasks.spawn(async { axum::serve(listener, app).with_graceful_shutdown(stopped).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let stop = Some(stop.drop_guard());
        let gateway = Self { url, broker, sealer, store, hairpin, specs, http, tasks, stop };
        eventually("the first snapshot", async || routes.load().is_some()).await;
        gateway
    }

    /// Stops it, and waits until everything it started has ended.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(20), self.tasks.wait())
            .await
            .expect("the broker does not stop");
    }

    pub fn apply(&self, spec: Spec) {
        self.specs.send(Arc::new(spec)).unwrap();
    }

    /// A request as it comes from the router.
    pub fn request(&self, verb: &str) -> RequestBuilder {
        let request = self.http.request(verb.parse().unwrap(), &self.url);
        request.header("x-mcp-routed", self.sealer.seal_routed(&[]))
    }

    /// A POST of `body` as SDKs send it.
    pub fn post(&self, body: &str) -> RequestBuilder {
        self.request("POST")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_owned())
    }

    /// A new session of that revision; gives its id.
    pub async fn initialize(&self, revision: &str) -> String {
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = self.post(&message.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The event stream of a session.
    pub async fn events(&self, session: &str) -> Events {
        let request =
            self.request("GET").header("mcp-session-id", session).header("accept", "text/event-stream");
        Events::of(request.send().await.unwrap())
    }

    /// Names that a client without a session sees.
    pub async fn tools(&self) -> Vec<String> {
        names(&self.list(self.post(LIST)).await)
    }

    pub async fn list(&self, request: RequestBuilder) -> Value {
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Names, or URIs, of a list (`prompts/list` and so on) as a client without a session sees it.
    pub async fn listed(&self, method: &str) -> Vec<String> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method}).to_string();
        let list = self.list(self.post(&message)).await;
        let (member, key) = match method {
            "tools/list" => ("tools", "name"),
            "prompts/list" => ("prompts", "name"),
            "resources/list" => ("resources", "uri"),
            "resources/templates/list" => ("resourceTemplates", "uriTemplate"),
            _ => panic!("{method} lists nothing"),
        };
        let items = list["result"][member].as_array().unwrap_or_else(|| panic!("no {member}: {list}"));
        items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a client without a session sees this list.
    pub async fn wait_for_list(&self, method: &str, expected: &[&str]) {
        eventually(&format!("{method}: {expected:?}"), async || self.listed(method).await == expected).await;
    }

    /// The `result` of an `initialize` of 2025-11-25.
    pub async fn initialized(&self) -> Value {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        self.list(self.post(&message.to_string())).await["result"].clone()
    }

    /// Waits until a client without a session sees these tools.
    pub async fn wait_for_tools(&self, expected: &[&str]) {
        eventually(&format!("tools {expected:?}"), async || self.tools().await == expected).await;
    }

    pub fn status(&self, name: &str) -> ServerStatus {
        let status = self.broker.status();
        status
            .servers
            .iter()
            .find(|server| server.name == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .clone()
    }

    /// Waits until a server's last error says so.
    pub async fn wait_for_error(&self, name: &str, words: &str) {
        let mut seen = Vec::new();
        for _ in 0..1500 {
            let error = self.status(name).last_error;
            if error.as_ref().is_some_and(|error| error.contains(words)) {
                return;
            }
            seen.extend(error);
            seen.dedup();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} did not say {words:?}, but {seen:?}");
    }
}

pub const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

pub fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    common::eventually(what, async || holds().await.then_some(())).await;
}

/// Reads an event stream, event by event.
pub struct Events {
    pub response: Response,
    text: String,
}

impl Events {
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event as it stands on the wire; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let chunk = chunk.await.expect("no event came").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
