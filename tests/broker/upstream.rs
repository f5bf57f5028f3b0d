//! Servers behind an Envoy, as the gateway's own requests find them; their event streams are in the test's hands.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::common;
use crate::fake::event_stream;

/// A running endpoint; it ends when it is dropped.
pub struct Upstream {
    pub address: String,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Shared {
    opened: Mutex<Vec<Stream>>,
    refused: Mutex<Vec<(String, u16)>>,
    refusal: Mutex<Option<u16>>,
    posted: Mutex<Vec<(String, Value)>>,
}

/// An event stream that the gateway has opened; it ends when it is dropped.
pub struct Stream {
    pub server: String,
    pub session: String,
    pub last_event_id: Option<String>,
    pub headers: HeaderMap,
    sender: mpsc::Sender<Bytes>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::<Shared>::default();
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let serving =
            tokio_util::task::TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, _serving: AbortOnDropHandle::new(serving) }
    }

    /// The next stream that is opened in that session of `server`.
    pub async fn stream(&self, server: &str, session: &str) -> Stream {
        common::eventually(&format!("a stream of {server} in {session}"), async || {
            let mut opened = self.shared.opened.lock().unwrap();
            let at = opened.iter().position(|stream| stream.server == server && stream.session == session)?;
            Some(opened.remove(at))
        })
        .await
    }

    /// Streams that were opened and not asked for yet.
    pub fn waiting(&self) -> usize {
        self.shared.opened.lock().unwrap().len()
    }

    /// From now on GET is answered with that status.
    pub fn refuse(&self, status: Option<u16>) {
        *self.shared.refusal.lock().unwrap() = status;
    }

    /// How many GETs in that session were refused.
    pub fn refused(&self, session: &str) -> usize {
        self.shared.refused.lock().unwrap().iter().filter(|(of, _)| of == session).count()
    }

    /// What was posted in that session.
    pub fn posted(&self, session: &str) -> Vec<Value> {
        let posted = self.shared.posted.lock().unwrap();
        posted.iter().filter(|(of, _)| of == session).map(|(_, message)| message.clone()).collect()
    }
}

impl Stream {
    /// Sends bytes; `false`: the gateway has closed the stream.
    pub async fn raw(&self, bytes: impl Into<Bytes>) -> bool {
        self.sender.send(bytes.into()).await.is_ok()
    }

    pub async fn event(&self, id: &str, message: &str) {
        assert!(
            self.raw(format!("id: {id}\ndata: {message}\n\n")).await,
            "the gateway has closed the stream"
        );
    }

    /// Until the gateway has closed it.
    pub async fn closed(&self) {
        tokio::time::timeout(common::DEADLINE, self.sender.closed()).await.expect("the stream stays open");
    }

    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    verb: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let field =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (server, session) = (field("x-mcp-servername"), field("mcp-session-id"));
    assert!(headers.contains_key("x-mcp-hairpin"), "not one of the gateway's own requests");
    if verb == Method::POST {
        shared.posted.lock().unwrap().push((session, serde_json::from_str(&body).unwrap()));
        return StatusCode::ACCEPTED.into_response();
    }
    if verb != Method::GET {
        return StatusCode::OK.into_response();
    }
    if let Some(status) = *shared.refusal.lock().unwrap() {
        shared.refused.lock().unwrap().push((session, status));
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let (sender, receiver) = mpsc::channel(1);
    let last_event_id = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
    shared.opened.lock().unwrap().push(Stream { server, session, last_event_id, headers, sender });
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    event_stream(Body::from_stream(chunks))
}
