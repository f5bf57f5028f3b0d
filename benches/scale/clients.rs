//! Clients that do more than wrk can: sessions from their first call to their end.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use reqwest::{RequestBuilder, Response};

use crate::subject::Subject;

/// Requests under way at once.
const AT_ONCE: usize = 32;

/// Talks to Envoy.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    http: reqwest::Client,
    url: Arc<str>,
}

impl Clients {
    pub(crate) fn of(subject: &Subject) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url: format!("http://{}/mcp", subject.listen).into() }
    }

    /// A call of the first tool of each session's server, which opens its session there; all must succeed.
    pub(crate) async fn call_once(&self, sessions: &[String], servers: usize) {
        let calls = stream::iter(sessions.iter().enumerate()).map(|(number, session)| {
            let tool = format!("s{:04}_tool_0000", number % servers);
            async move { self.call(session, &tool).await }
        });
        calls.buffer_unordered(AT_ONCE).for_each(|()| std::future::ready(())).await;
    }

    /// A session's whole life: `initialize`, a list, a call, DELETE.
    pub(crate) async fn live(&self, tool: &str) {
        let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
        let response = sent(self.post(initialize)).await;
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        response.bytes().await.unwrap();
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let listed = sent(self.post(list).header("mcp-session-id", &session)).await.bytes().await.unwrap();
        assert!(listed.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"#));
        self.call(&session, tool).await;
        sent(self.http.delete(&*self.url).header("mcp-session-id", &session)).await;
    }

    async fn call(&self, session: &str, tool: &str) {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"query":"x"}}}}}}"#
        );
        let text = sent(self.post(&body).header("mcp-session-id", session)).await.text().await.unwrap();
        assert!(text.contains(r#""result":"#), "{text}");
    }

    fn post(&self, body: &str) -> RequestBuilder {
        let request = self.http.post(&*self.url).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").body(body.to_owned())
    }
}

async fn sent(request: RequestBuilder) -> Response {
    let response = request.send().await.unwrap();
    let status = response.status();
    assert!(status.is_success(), "{status}: {}", response.text().await.unwrap_or_default());
    response
}
