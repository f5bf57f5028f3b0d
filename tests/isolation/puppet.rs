//! A server whose every word a test chooses. Two of them have the same tools, prompts, URIs, ids, tokens and tasks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    common::eventually,
    line::Line,
    offers::{Offers, capabilities},
};

/// The task that every server begins.
pub(crate) const TASK: &str = "t1";

/// One message that the server was sent.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The server's own session; empty: none.
    pub(crate) session: String,
    pub(crate) message: Value,
}

#[derive(Debug)]
pub(crate) struct Puppet {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    offers: Mutex<Offers>,
    seen: Mutex<Vec<Seen>>,
    sessions: Mutex<HashMap<String, Session>>,
    calls: Mutex<Vec<Call>>,
}

#[derive(Debug, Default)]
struct Session {
    /// Its event streams: the number of each is the first part of its events' ids.
    lines: Vec<Line>,
    /// The one that GET opens.
    standing: Option<Line>,
}

/// A call of a tool that answers when the test says so.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) session: String,
    pub(crate) id: Value,
    pub(crate) params: Value,
    pub(crate) line: Line,
}

impl Call {
    /// Sends a message on the call's own stream.
    pub(crate) fn say(&self, message: &Value) {
        self.line.say(message);
    }

    /// Answers with a text and ends the stream.
    pub(crate) fn answer(&self, text: &str) {
        self.result(json!({"content": [{"type": "text", "text": text}]}));
    }

    pub(crate) fn result(&self, result: Value) {
        self.line.end(&json!({"jsonrpc": "2.0", "id": self.id, "result": result}));
    }

    pub(crate) fn error(&self, error: Value) {
        self.line.end(&json!({"jsonrpc": "2.0", "id": self.id, "error": error}));
    }
}

impl Puppet {
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            name,
            offers: Mutex::new(Offers::of(name)),
            seen: Mutex::default(),
            sessions: Mutex::default(),
            calls: Mutex::default(),
        });
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let serving = TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { name, url, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    /// The next call of a tool `wait` that no test has taken yet.
    pub(crate) async fn called(&self) -> Call {
        eventually(&format!("{} is called", self.name), async || {
            let mut calls = locked(&self.shared.calls);
            (!calls.is_empty()).then(|| calls.remove(0))
        })
        .await
    }

    /// Everything it was sent that `filter` is true of.
    pub(crate) fn seen(&self, filter: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        locked(&self.shared.seen).iter().filter(|seen| filter(seen)).cloned().collect()
    }

    /// Messages of that method, in the order in which they came.
    pub(crate) fn seen_of(&self, method: &str) -> Vec<Seen> {
        self.seen(|seen| seen.message["method"] == method)
    }

    /// Waits for the first message in `session` that `filter` is true of.
    pub(crate) async fn hears(&self, session: &str, what: &str, filter: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{} hears {what}", self.name), async || {
            let seen = self.seen(|seen| seen.session == session && filter(&seen.message));
            seen.into_iter().next().map(|seen| seen.message)
        })
        .await
    }

    /// Waits for a message of that method in `session`.
    pub(crate) async fn hears_method(&self, session: &str, method: &str) -> Value {
        self.hears(session, method, |message| message["method"] == method).await
    }

    /// Waits for the answer to the server's request `id` in `session`.
    pub(crate) async fn answered(&self, session: &str, id: &Value) -> Value {
        let is_it = |message: &Value| message.get("method").is_none() && message["id"] == *id;
        self.hears(session, &format!("the answer to {id}"), is_it).await
    }

    /// The standing stream of `session`, once there is one.
    pub(crate) async fn standing(&self, session: &str) -> Line {
        eventually(&format!("{} has a standing stream in {session}", self.name), async || {
            let line = locked(&self.shared.sessions).get(session)?.standing.clone()?;
            line.is_read().then_some(line)
        })
        .await
    }

    /// Offers one more tool, prompt and resource named `novel`, and says so to everybody.
    pub(crate) fn grow(&self) {
        locked(&self.shared.offers).grow();
        for session in locked(&self.shared.sessions).values() {
            for kind in ["tools", "prompts", "resources"] {
                let method = format!("notifications/{kind}/list_changed");
                session
                    .standing
                    .iter()
                    .for_each(|line| line.say(&json!({"jsonrpc": "2.0", "method": method})));
            }
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seen = self.seen(|_| true);
            let lines = seen.iter().map(|seen| format!("{}: {}\n", seen.session, seen.message));
            eprintln!("--- what {} was sent ---\n{}---", self.name, lines.collect::<String>());
        }
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    verb: Method,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let session = field("mcp-session-id").to_owned();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["method"] == "initialize" {
        return shared.initialize(message);
    }
    if !locked(&shared.sessions).contains_key(&session) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match verb {
        Method::GET => shared.listen(&session, field("last-event-id")),
        Method::DELETE => {
            locked(&shared.sessions).remove(&session);
            StatusCode::OK.into_response()
        }
        _ => shared.post(session, message),
    }
}

impl Shared {
    fn initialize(&self, message: Value) -> Response {
        let mut sessions = locked(&self.sessions);
        let id = format!("session-{}", sessions.len());
        sessions.insert(id.clone(), Session::default());
        drop(sessions);
        let result = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities(),
            "serverInfo": {"name": self.name, "version": "1"},
            "instructions": format!("Instructions of {}.", self.name),
        });
        let line = self.line(&id);
        line.end(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
        locked(&self.seen).push(Seen { session: id.clone(), message });
        ([("mcp-session-id", id)], stream(&line, 0)).into_response()
    }

    fn post(&self, session: String, message: Value) -> Response {
        locked(&self.seen).push(Seen { session: session.clone(), message: message.clone() });
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else {
            return StatusCode::ACCEPTED.into_response();
        };
        let line = self.line(&session);
        let params = message["params"].clone();
        if method == "tools/call" && params["name"] == "wait" {
            let call = Call { session, id: id.clone(), params, line: line.clone() };
            locked(&self.calls).push(call);
        } else {
            let answer = match locked(&self.offers).answer(method, &params, &session) {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err((code, text)) => {
                    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}})
                }
            };
            line.end(&answer);
        }
        stream(&line, 0)
    }

    /// A new event stream of `session`.
    fn line(&self, session: &str) -> Line {
        let mut sessions = locked(&self.sessions);
        let lines = &mut sessions.entry(session.to_owned()).or_default().lines;
        lines.push(Line::new(lines.len()));
        lines[lines.len() - 1].clone()
    }

    fn listen(&self, session: &str, last_event_id: &str) -> Response {
        if let Some((line, event)) = last_event_id.split_once('-') {
            let (line, event): (usize, usize) = (line.parse().unwrap(), event.parse().unwrap());
            return stream(&locked(&self.sessions)[session].lines[line].clone(), event + 1);
        }
        let line = self.line(session);
        if let Some(known) = locked(&self.sessions).get_mut(session) {
            known.standing = Some(line.clone());
        }
        stream(&line, 0)
    }
}

/// The events of `line` from the one of that number on.
fn stream(line: &Line, from: usize) -> Response {
    let events = futures_util::StreamExt::map(line.read(from), Ok::<_, Infallible>);
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
