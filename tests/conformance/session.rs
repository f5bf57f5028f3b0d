//! A bare MCP client: one session, what it asks, and the streams on which it hears.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::common::DEADLINE;

const REVISION: &str = "2025-11-25";
/// A list has an end; one that has not is a mistake.
const PAGES: usize = 50;

#[derive(Debug, Clone)]
pub(crate) struct Session {
    http: reqwest::Client,
    url: String,
    id: String,
    /// The result of `initialize`.
    pub(crate) opened: Value,
}

impl Session {
    /// Opens a session as a client that can do what `capabilities` says.
    pub(crate) async fn open(url: &str, capabilities: Value) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut session = Self { http, url: url.to_owned(), id: String::new(), opened: Value::Null };
        let client = json!({"name": "bare", "version": "1"});
        let params = json!({"protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": client});
        let opened = session.post(json!({"id": 0, "method": "initialize", "params": params})).await;
        session.id = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        session.opened = Stream::of(opened).answer(&json!(0)).await["result"].clone();
        session.post(json!({"method": "notifications/initialized"})).await;
        session
    }

    /// What is answered to the request `id`; everything before it is passed over.
    pub(crate) async fn ask(&self, id: i64, method: &str, params: Value) -> Value {
        self.begin(id, method, params).await.answer(&json!(id)).await
    }

    /// Asks, and gives the stream of what is said until the answer.
    pub(crate) async fn begin(&self, id: i64, method: &str, params: Value) -> Stream {
        Stream::of(self.post(json!({"id": id, "method": method, "params": params})).await)
    }

    /// The standing stream.
    pub(crate) async fn listen(&self) -> Stream {
        Stream::of(self.send(self.http.get(&self.url)).await)
    }

    /// Every entry of a list, from all pages, byte for byte.
    pub(crate) async fn entries(&self, list: &str, member: &str) -> Vec<String> {
        let mut entries = Vec::new();
        let mut params = json!({});
        for id in (1..).take(PAGES) {
            let answer = Stream::of(self.post(json!({"id": id, "method": list, "params": params})).await);
            let text = answer.text(&json!(id)).await;
            let page: Page<'_> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let listed: Vec<&RawValue> = serde_json::from_str(page.result[member].get()).unwrap();
            entries.extend(listed.iter().map(|entry| entry.get().to_owned()));
            let Some(next) = page.result.get("nextCursor") else { return entries };
            params = json!({"cursor": serde_json::from_str::<String>(next.get()).unwrap()});
        }
        panic!("{list} has no end after {PAGES} pages")
    }

    /// Sends a message that must be accepted.
    pub(crate) async fn post(&self, mut message: Value) -> reqwest::Response {
        message["jsonrpc"] = json!("2.0");
        self.send(self.http.post(&self.url).json(&message)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let mut request = request.header("accept", "application/json, text/event-stream");
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", &self.id).header("mcp-protocol-version", REVISION);
        }
        let response = timeout(DEADLINE, request.send()).await.expect("no answer begins").unwrap();
        let status = response.status();
        if status.is_success() {
            return response;
        }
        panic!("{status}: {}", response.text().await.unwrap())
    }
}

#[derive(serde::Deserialize)]
struct Page<'text> {
    #[serde(borrow)]
    result: std::collections::HashMap<&'text str, &'text RawValue>,
}

/// A response as the messages in it, one JSON body or a stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    response: reqwest::Response,
    events: bool,
    unread: String,
}

impl Stream {
    fn of(response: reqwest::Response) -> Self {
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let events = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        Self { response, events, unread: String::new() }
    }

    /// The next message; it must come.
    pub(crate) async fn next(&mut self) -> Value {
        let message = self.next_text().await.expect("the stream ended");
        serde_json::from_str(&message).unwrap_or_else(|error| panic!("{error}: {message}"))
    }

    async fn answer(self, id: &Value) -> Value {
        serde_json::from_str(&self.text(id).await).unwrap()
    }

    /// The message that answers `id`, byte for byte.
    async fn text(mut self, id: &Value) -> String {
        while let Some(text) = self.next_text().await {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message.get("method").is_none() && message["id"] == *id {
                return text;
            }
        }
        panic!("the stream ended without the answer to {id}")
    }

    async fn next_text(&mut self) -> Option<String> {
        loop {
            if let Some(message) = self.taken() {
                return Some(message);
            }
            let chunk = timeout(DEADLINE, self.response.chunk()).await.expect("nothing is heard").unwrap();
            match chunk {
                // Lines end in one way or the other; what is in a message is escaped.
                Some(chunk) => self.unread += &String::from_utf8_lossy(&chunk).replace('\r', ""),
                None if self.events || self.unread.is_empty() => return None,
                None => return Some(std::mem::take(&mut self.unread)),
            }
        }
    }

    /// The next whole event with data that is here already. An event without is there for its id.
    fn taken(&mut self) -> Option<String> {
        while let Some(end) = self.unread.find("\n\n").filter(|_| self.events) {
            let event: String = self.unread.drain(..end + 2).collect();
            let mut data = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
            if let Some(message) = data.find(|data| !data.is_empty()) {
                return Some(message.to_owned());
            }
        }
        None
    }
}
