//! A server that answers as a test wants it to: MCP over Streamable HTTP, with faults.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// One request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub verb: Method,
    pub headers: HeaderMap,
    /// `null` without a body.
    pub body: Value,
}

impl Seen {
    pub fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Says what to answer instead of the usual; `None`: the usual.
type Fault = Box<dyn Fn(&Seen) -> Option<Response> + Send>;

/// A running server; it ends when it is dropped.
pub struct Fake {
    pub url: Url,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    tools: Mutex<Vec<String>>,
    /// JSON of the items of the other lists, by the member they stand in.
    items: Mutex<HashMap<&'static str, Vec<String>>>,
    /// The `result` of `initialize` beside the revision.
    info: Mutex<Value>,
    fault: Mutex<Option<Fault>>,
    seen: Mutex<Vec<Seen>>,
    session: Mutex<String>,
    events: broadcast::Sender<String>,
}

impl Fake {
    /// A server with these tools, each the JSON of one.
    pub async fn start(tools: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", tools).await
    }

    pub async fn start_on(address: &str, tools: &[&str]) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
        let shared = Arc::new(Shared {
            tools: Mutex::default(),
            items: Mutex::default(),
            info: Mutex::new(json!({"capabilities": {"tools": {"listChanged": true}}})),
            fault: Mutex::default(),
            seen: Mutex::default(),
            session: Mutex::new("fake-session-1".to_owned()),
            events: broadcast::channel(16).0,
        });
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let serving =
            tokio_util::task::TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        let fake = Self { url, shared, _serving: AbortOnDropHandle::new(serving) };
        fake.set_tools(tools);
        fake
    }

    pub fn set_tools(&self, tools: &[&str]) {
        *self.shared.tools.lock().unwrap() = tools.iter().map(|&tool| tool.to_owned()).collect();
    }

    /// What `list` (`prompts`, `resources`, `resourceTemplates`) holds from now on.
    pub fn set_items(&self, list: &'static str, items: &[&str]) {
        let items = items.iter().map(|&item| item.to_owned()).collect();
        self.shared.items.lock().unwrap().insert(list, items);
    }

    /// What it announces to who connects from now on: `capabilities`, `instructions`.
    pub fn set_info(&self, info: Value) {
        *self.shared.info.lock().unwrap() = info;
    }

    /// From now on `fault` answers, where it has something to say.
    pub fn set_fault(&self, fault: impl Fn(&Seen) -> Option<Response> + Send + 'static) {
        *self.shared.fault.lock().unwrap() = Some(Box::new(fault));
    }

    pub fn clear_fault(&self) {
        *self.shared.fault.lock().unwrap() = None;
    }

    /// Forgets its session, as a server does that is started again.
    pub fn lose_session(&self, new: &str) {
        new.clone_into(&mut self.shared.session.lock().unwrap());
    }

    /// Sends a message to all open event streams.
    pub fn send(&self, message: &str) {
        _ = self.shared.events.send(message.to_owned());
    }

    pub fn announce_change(&self) {
        self.announce_change_of("tools");
    }

    /// Says that `tools`, `prompts` or `resources` are others now.
    pub fn announce_change_of(&self, list: &str) {
        self.send(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#));
    }

    /// Event streams that are open now.
    pub fn streams(&self) -> usize {
        self.shared.events.receiver_count()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests of that method it has seen.
    pub fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method() == method || seen.verb.as_str() == method).count()
    }
}

/// A tool with that name and description.
pub fn tool(name: &str, description: &str) -> String {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}}).to_string()
}

pub fn json_response(status: u16, body: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_owned())
        .into_response()
}

pub fn event_stream(body: impl Into<Body>) -> Response {
    ([("content-type", "text/event-stream")], body.into()).into_response()
}

pub fn result(seen: &Seen, result: &str) -> Response {
    json_response(200, &format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, seen.body["id"]))
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    verb: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let seen = Seen { verb, headers, body: serde_json::from_str(&body).unwrap_or_default() };
    shared.seen.lock().unwrap().push(seen.clone());
    if let Some(answer) = shared.fault.lock().unwrap().as_ref().and_then(|fault| fault(&seen)) {
        return answer;
    }
    usual(&shared, &seen)
}

fn usual(shared: &Shared, seen: &Seen) -> Response {
    let session = shared.session.lock().unwrap().clone();
    if seen.method() == "initialize" {
        let mut info = shared.info.lock().unwrap().clone();
        info["protocolVersion"] = seen.body["params"]["protocolVersion"].clone();
        info["serverInfo"] = json!({"name": "fake", "version": "1", "title": "Of a server"});
        let mut response = result(seen, &info.to_string());
        if !session.is_empty() {
            response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
        }
        return response;
    }
    if seen.header("mcp-session-id").unwrap_or_default() != session {
        return json_response(
            404,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Session not found"}}"#,
        );
    }
    match (&seen.verb, seen.method()) {
        (&Method::GET, _) => event_stream(Body::from_stream(follow(shared.events.subscribe()))),
        (&Method::DELETE, _) => StatusCode::NO_CONTENT.into_response(),
        (_, "tools/list") => {
            result(seen, &format!(r#"{{"tools":[{}]}}"#, shared.tools.lock().unwrap().join(",")))
        }
        (_, "prompts/list") => result(seen, &shared.page("prompts")),
        (_, "resources/list") => result(seen, &shared.page("resources")),
        (_, "resources/templates/list") => result(seen, &shared.page("resourceTemplates")),
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

impl Shared {
    fn page(&self, list: &str) -> String {
        let items = self.items.lock().unwrap();
        format!(r#"{{"{list}":[{}]}}"#, items.get(list).map(|items| items.join(",")).unwrap_or_default())
    }
}

fn follow(
    events: broadcast::Receiver<String>,
) -> impl futures_util::Stream<Item = Result<String, Infallible>> {
    futures_util::stream::unfold(events, |mut events| async move {
        let message = events.recv().await.ok()?;
        Some((Ok(format!("event: message\r\ndata: {message}\r\n\r\n")), events))
    })
}
