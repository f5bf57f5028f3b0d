//! Requests that no SDK would send, and the answers to them.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::setting::Setting;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The JSON body, or the last JSON event of a stream.
    pub(crate) fn json(&self) -> Value {
        let last = self.body.lines().rev().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of a tool's result, as JSON.
    pub(crate) fn result(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let text = self.json()["result"]["content"][0]["text"].as_str().map(str::to_owned);
        serde_json::from_str(&text.unwrap_or_else(|| panic!("no result: {self:?}"))).unwrap()
    }

    /// That this is a refusal that a client can act on: status, code, the request's id, and a text.
    pub(crate) fn assert_refused(&self, status: u16, code: i64, id: &Value) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        let body = self.json();
        assert_eq!((&body["error"]["code"], &body["id"]), (&json!(code), id), "{self:?}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.len() > 10), "{self:?}");
    }
}

impl Setting {
    /// A POST of `body` as any MCP client sends it, with more header fields.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.posting(headers, body).send().await.unwrap()).await
    }

    pub(crate) fn posting(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::RequestBuilder {
        let mut all = reqwest::header::HeaderMap::new();
        let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        for (name, value) in usual.iter().chain(headers) {
            all.insert(
                reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        self.http.post(self.url()).headers(all).body(body)
    }

    /// A new session's id.
    pub(crate) async fn session(&self) -> String {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        let answer = self.post(&[], request(0, "initialize", params)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        let accepted = self.post(&[("mcp-session-id", &session)], initialized).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED.as_u16(), "{accepted:?}");
        session
    }

    /// `tools/call` in a session.
    pub(crate) async fn call(&self, session: &str, tool: &str, arguments: Value) -> Answer {
        self.post(&[("mcp-session-id", session)], call(1, tool, arguments)).await
    }
}

pub(crate) fn request(id: i64, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

pub(crate) fn call(id: i64, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}
