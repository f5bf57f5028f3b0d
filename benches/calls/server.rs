//! The MCP server behind nginx: it opens sessions, lists tools, and answers what is no file.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::call::{Tool, progress};

/// Events of the slow answer, about 1 KiB each.
pub(crate) const SLOW_EVENTS: usize = 1024;
/// Longest wait until a client says that it has an event.
const SLOW_DEADLINE: Duration = Duration::from_secs(10);
/// Tools of each of the other servers.
pub(crate) const OTHERS_TOOLS: usize = 10;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct McpServer {
    pub(crate) address: String,
    /// Told by the client that it has an event of the slow answer.
    pub(crate) arrived: Arc<Notify>,
    _serving: AbortOnDropHandle<()>,
}

impl McpServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arrived = Arc::new(Notify::new());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&arrived));
        let serving =
            tokio_util::task::TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, arrived, _serving: AbortOnDropHandle::new(serving) }
    }
}

async fn answer(State(arrived): State<Arc<Notify>>, verb: Method, uri: Uri, body: Bytes) -> Response {
    match uri.path() {
        "/call/echo" => (json_type(), body).into_response(),
        "/call/slow" => slow(arrived),
        path if verb == Method::POST => message(path, &serde_json::from_slice(&body).unwrap_or_default()),
        _ if verb == Method::DELETE => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn message(path: &str, message: &Value) -> Response {
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench", "version": "1"},
        }),
        "tools/list" => json!({"tools": tools(path)}),
        "ping" => json!({}),
        _ if message["id"].is_null() => return StatusCode::ACCEPTED.into_response(),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return reply(&json!({"jsonrpc": "2.0", "id": message["id"], "error": error}));
        }
    };
    let mut response = reply(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
    if message["method"] == "initialize" {
        let session = format!("bench-{:032x}", fastrand::u128(..));
        response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    }
    response
}

/// `/mcp` has those that are called; every other path has some of its own.
fn tools(path: &str) -> Vec<Value> {
    let names: Vec<String> = match path.strip_prefix("/others/") {
        None => Tool::ALL.map(|tool| tool.name().to_owned()).into(),
        Some(other) => (0..OTHERS_TOOLS).map(|tool| format!("tool_{tool}_of_{other}")).collect(),
    };
    let tool = |name: &String| {
        json!({
            "name": name,
            "description": format!("Looks up {name} and says what is known of it"),
            "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "description": "A text"}}},
        })
    };
    names.iter().map(tool).collect()
}

fn reply(message: &Value) -> Response {
    (json_type(), message.to_string()).into_response()
}

fn json_type() -> HeaderMap {
    [(http::header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect()
}

/// Sends an event when the client has the one before: whoever keeps one back sees no other.
fn slow(arrived: Arc<Notify>) -> Response {
    let events = stream::unfold((0, arrived), |(count, arrived)| async move {
        if count > 0 {
            timeout(SLOW_DEADLINE, arrived.notified()).await.ok()?;
        }
        (count < SLOW_EVENTS).then(|| (Ok::<_, Infallible>(progress(count)), (count + 1, arrived)))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}
