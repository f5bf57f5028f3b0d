//! Just enough of an MCP client to show a call through Envoy.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::mcp::{Revision, sse};

/// A client in one session.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    session: Option<String>,
    id: u64,
}

impl Client {
    pub(super) fn new(http: reqwest::Client, url: String) -> Self {
        Self { http, url, session: None, id: 0 }
    }

    /// Opens the session.
    pub(super) async fn initialize(&mut self) -> Result<Value> {
        let client = json!({"name": "demo", "version": env!("CARGO_PKG_VERSION")});
        let params =
            json!({"protocolVersion": Revision::LATEST.as_str(), "capabilities": {}, "clientInfo": client});
        let result = self.request("initialize", params).await?;
        self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(result)
    }

    /// Names of all tools.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>> {
        let result = self.request("tools/list", json!({})).await?;
        let tools =
            result.get("tools").and_then(Value::as_array).context("tools/list was answered without tools")?;
        let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Calls a tool; its first text.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Result<String> {
        let result = self.request("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
        if result.get("isError").and_then(Value::as_bool) == Some(true) {
            bail!("{tool} failed: {text}");
        }
        Ok(text.to_owned())
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        self.id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        let mut answer = self.post(&request).await.with_context(|| format!("{method} failed"))?;
        if let Some(error) = answer.get("error") {
            bail!("{method} was answered with an error: {error}");
        }
        answer
            .get_mut("result")
            .map(Value::take)
            .with_context(|| format!("{method} was answered without a result"))
    }

    async fn post(&mut self, message: &Value) -> Result<Value> {
        let mut request = self.http.post(&self.url).header("accept", "application/json, text/event-stream");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        let answer =
            request.header("content-type", "application/json").body(message.to_string()).send().await?;
        let status = answer.status();
        if let Some(session) = answer.headers().get("mcp-session-id") {
            self.session = Some(session.to_str()?.to_owned());
        }
        let is_stream = answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = answer.bytes().await?;
        if !status.is_success() {
            bail!("HTTP {status}: {}", String::from_utf8_lossy(&body));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        if is_stream { last_answer(&body) } else { Ok(serde_json::from_slice(&body)?) }
    }
}

/// The answer in a stream of notifications that ends with it.
fn last_answer(body: &[u8]) -> Result<Value> {
    let (mut events, mut rest) = (sse::Parser::default(), body);
    let mut answer = None;
    while let Some(event) = events.next(&mut rest)? {
        let message: Value = serde_json::from_slice(&event.data).unwrap_or_default();
        if message.get("id").is_some() {
            answer = Some(message);
        }
    }
    answer.context("the stream ended without an answer")
}
