//! Our fixture server, `tests/peers/conformance.mjs`, and a bare client that listens to one session of it.

use std::process::Command;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::common::{DEADLINE, Process, fetched, peer};

/// The resource that a `Listener` subscribes to.
pub(crate) const WATCHED: &str = "test://watched-resource";
const REVISION: &str = "2025-11-25";

#[derive(Debug)]
pub(crate) struct Fixture {
    _process: Process,
    pub(crate) url: String,
}

impl Fixture {
    /// `arguments` are those of `conformance.mjs`, beside the port.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(fetched("node"));
        command.arg(peer("conformance.mjs")).arg(fetched("typescript-sdk")).arg("0").args(arguments);
        let mut process = Process::spawn("conformance.mjs", command);
        let line = process.wait_for_line("listening on http://").await;
        let url = line.trim_start_matches("listening on ").to_owned();
        Self { _process: process, url }
    }
}

/// One session and its standing stream.
#[derive(Debug)]
pub(crate) struct Listener {
    session: Session,
    stream: reqwest::Response,
    unread: String,
}

#[derive(Debug)]
struct Session {
    http: reqwest::Client,
    url: String,
    id: String,
}

impl Listener {
    pub(crate) async fn open(url: &str) -> Self {
        let mut session = Session { http: reqwest::Client::new(), url: url.to_owned(), id: String::new() };
        let client = json!({"name": "listener", "version": "1"});
        let params = json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client});
        let opened = session.post(&json!({"id": 0, "method": "initialize", "params": params})).await;
        session.id = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        session.post(&json!({"method": "notifications/initialized"})).await;
        let stream = session.send(session.http.get(url)).await;
        session.post(&json!({"id": 1, "method": "resources/subscribe", "params": {"uri": WATCHED}})).await;
        Self { session, stream, unread: String::new() }
    }

    /// Calls a tool and waits for its answer.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.session.post(&json!({"id": 2, "method": "tools/call", "params": params})).await;
        let said = answer.text().await.unwrap();
        assert!(said.contains("\"result\""), "{tool}: {said}");
    }

    /// The next message on the standing stream.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            while let Some(end) = self.unread.find("\n\n") {
                let event: String = self.unread.drain(..end + 2).collect();
                // An event without data is there for its id.
                let mut data = event.lines().filter_map(|line| line.strip_prefix("data: "));
                if let Some(message) = data.find(|data| !data.is_empty()) {
                    return serde_json::from_str(message).unwrap();
                }
            }
            let chunk = timeout(DEADLINE, self.stream.chunk()).await.expect("nothing is heard");
            self.unread += &String::from_utf8_lossy(&chunk.unwrap().expect("the stream ended"));
        }
    }
}

impl Session {
    async fn post(&self, message: &Value) -> reqwest::Response {
        let mut message = message.clone();
        message["jsonrpc"] = json!("2.0");
        self.send(self.http.post(&self.url).json(&message)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let mut request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", REVISION);
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", &self.id);
        }
        request.send().await.unwrap().error_for_status().unwrap()
    }
}
