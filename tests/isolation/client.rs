//! A client that writes every message by hand, and the streams it reads.

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use crate::common::DEADLINE;

const REVISION: &str = "2025-11-25";

/// One session at the gateway.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    session: String,
    next_id: AtomicI64,
}

/// Everything that a client can announce.
pub(crate) fn everything() -> Value {
    json!({
        "elicitation": {"form": {}, "url": {}},
        "roots": {"listChanged": true},
        "sampling": {"tools": {}, "context": {}},
        "tasks": {"list": {}, "cancel": {}, "requests": {"elicitation": {"create": {}}, "sampling": {"createMessage": {}}}},
    })
}

impl Client {
    pub(crate) async fn open(url: &str, capabilities: Value) -> (Self, Value) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client =
            Self { http, url: url.to_owned(), session: String::new(), next_id: AtomicI64::new(0) };
        let info = json!({"name": "raw", "version": "1"});
        let params = json!({"protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": info});
        let mut opening = client.begin("initialize", params).await;
        client.session = opening.header("mcp-session-id").unwrap_or_default().to_owned();
        let result = opening.answer().await["result"].clone();
        client.notify("notifications/initialized", json!({})).await;
        (client, result)
    }

    /// Sends a request with an id of the client's choice; its answer comes on the stream.
    pub(crate) async fn begin_as(&self, id: Value, method: &str, params: Value) -> Stream {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Stream::of(self.post(&message).await, id)
    }

    /// Sends a request; ids are 0, 1, 2 ..., as every SDK has them.
    pub(crate) async fn begin(&self, method: &str, params: Value) -> Stream {
        self.begin_as(json!(self.next_id.fetch_add(1, Ordering::Relaxed)), method, params).await
    }

    /// Calls a tool without arguments.
    pub(crate) async fn call(&self, tool: &str) -> Stream {
        self.begin("tools/call", json!({"name": tool})).await
    }

    /// Sends a request and waits for its answer: the whole message.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        self.begin(method, params).await.answer().await
    }

    /// Sends a notification that must be accepted.
    pub(crate) async fn notify(&self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        assert_eq!(self.send(&message).await, 202, "{message}");
    }

    /// Answers a request of a server; gives the HTTP status.
    pub(crate) async fn reply(&self, id: &Value, result: Value) -> u16 {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result})).await
    }

    /// Sends what is not answered; gives the HTTP status.
    pub(crate) async fn send(&self, message: &Value) -> u16 {
        self.post(message).await.status().as_u16()
    }

    /// Opens the standing stream.
    pub(crate) async fn listen(&self) -> Stream {
        Stream::of(self.sent(self.http.get(&self.url)).await, Value::Null)
    }

    /// Goes on after an event; `expected` is the id of the request whose answer may come there.
    pub(crate) async fn resume(&self, last_event_id: &str, expected: &Value) -> Stream {
        let request = self.http.get(&self.url).header("last-event-id", last_event_id);
        Stream::of(self.sent(request).await, expected.clone())
    }

    async fn post(&self, message: &Value) -> Response {
        self.sent(self.http.post(&self.url).json(message)).await
    }

    async fn sent(&self, request: RequestBuilder) -> Response {
        let mut request = request.header("accept", "application/json, text/event-stream");
        if !self.session.is_empty() {
            request =
                request.header("mcp-session-id", &self.session).header("mcp-protocol-version", REVISION);
        }
        timeout(DEADLINE, request.send()).await.expect("no answer").unwrap()
    }
}

/// An answer that comes in events, or as one JSON text.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) request: Value,
    /// The newest event's id.
    pub(crate) last_event_id: Option<String>,
    /// Every message so far.
    pub(crate) heard: Vec<Value>,
    response: Response,
    unread: String,
}

impl Stream {
    fn of(response: Response, request: Value) -> Self {
        let status = response.status().as_u16();
        Self { status, request, last_event_id: None, heard: Vec::new(), response, unread: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let is_stream = self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        // keep-alive comments do not count
        let deadline = Instant::now() + DEADLINE;
        loop {
            while let Some(end) = self.unread.find("\n\n").filter(|_| is_stream) {
                let event: String = self.unread.drain(..end + 2).collect();
                if let Some(message) = self.message(&event) {
                    return Some(message);
                }
            }
            let chunk = timeout_at(deadline, self.response.chunk()).await;
            let chunk = chunk.unwrap_or_else(|_elapsed| panic!("nothing more than {:#?}", self.heard));
            match chunk.unwrap_or_default() {
                Some(chunk) => self.unread += &String::from_utf8_lossy(&chunk),
                None if is_stream => return None,
                None => return serde_json::from_str(&std::mem::take(&mut self.unread)).ok(),
            }
        }
    }

    fn message(&mut self, event: &str) -> Option<Value> {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(id) = field("id:") {
            self.last_event_id = Some(id.to_owned());
        }
        let message: Value = serde_json::from_str(field("data:")?).ok()?;
        self.heard.push(message.clone());
        Some(message)
    }

    /// The next message, which there must be.
    pub(crate) async fn message_of(&mut self, method: &str) -> Value {
        loop {
            let next = self.next().await;
            let message =
                next.unwrap_or_else(|| panic!("the stream ended before {method}: {:#?}", self.heard));
            if message["method"] == method {
                return message;
            }
        }
    }

    /// Reads up to the answer to the stream's own request.
    pub(crate) async fn answer(&mut self) -> Value {
        loop {
            let next = self.next().await;
            let message = next.unwrap_or_else(|| panic!("no answer ({}): {:#?}", self.status, self.heard));
            if message.get("method").is_none() && message["id"] == self.request {
                return message;
            }
        }
    }

    /// The text of the tool's result that ends the stream.
    pub(crate) async fn text(&mut self) -> String {
        let answer = self.answer().await;
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    /// The methods of everything heard so far.
    pub(crate) fn methods(&self) -> Vec<&str> {
        self.heard.iter().filter_map(|message| message["method"].as_str()).collect()
    }
}
