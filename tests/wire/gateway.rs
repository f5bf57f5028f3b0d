//! A router with two servers, and behind it a server that stands where Envoy would send the gateway's own requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use mcp_gateway::{
    clock,
    credentials::{KeyRing, Sealer},
    exchange::{Session, SessionId},
    ext_proc::{Bound, DUPLEX_DEADLINE, Listen, Parts, Router, serve},
    mcp::{ClientCapabilities, Revision},
    routing::{
        Authority, CallCredential, Limits, ObjectName, Prefix, Routes, ServerSpec, Spec, Timeouts, compile,
    },
    sessions::{Hairpin, Store},
    telemetry::Metrics,
};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::catalogue::catalogue;

/// Longest wait for anything.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// A running router.
pub(crate) struct Gateway {
    pub(crate) address: Listen,
    pub(crate) routes: Arc<Routes>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) stop: CancellationToken,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) routers: JoinSet<()>,
    /// What is done beside the exchanges.
    beside: TaskTracker,
    /// Ended with the gateway.
    _upstream: JoinSet<()>,
}

impl Gateway {
    /// With routes.
    pub(crate) async fn start() -> Self {
        Self::start_patient(DUPLEX_DEADLINE).await
    }

    /// With routes; bodies in pieces may take `duplex_deadline`.
    pub(crate) async fn start_patient(duplex_deadline: Duration) -> Self {
        let gateway = Self::start_with("127.0.0.1:0".parse().unwrap(), duplex_deadline).await;
        gateway.routes.publish(compile(&spec(), &catalogue()).0);
        gateway
    }

    /// Without routes.
    pub(crate) async fn start_on(listen: Listen) -> Self {
        Self::start_with(listen, DUPLEX_DEADLINE).await
    }

    async fn start_with(listen: Listen, duplex_deadline: Duration) -> Self {
        let (mut tasks, tasks_beside) = (JoinSet::new(), TaskTracker::new());
        let upstream = Arc::new(Upstream::default());
        let private_host = start_upstream(Arc::clone(&upstream), &mut tasks).await.to_string();
        let (routes, metrics) = (Arc::new(Routes::default()), Arc::new(Metrics::new()));
        let sealer = Arc::new(Sealer::new(KeyRing::generate().unwrap(), clock::now));
        let hairpin = Hairpin::new(&private_host, "mcp.example.com", Arc::clone(&sealer)).unwrap();
        let router = Router::new(Parts {
            routes: Arc::clone(&routes),
            sealer: Arc::clone(&sealer),
            store: Arc::new(Store::memory(100, clock::now)),
            hairpin: Arc::new(hairpin),
            metrics: Arc::clone(&metrics),
            duplex_deadline,
            tasks: tasks_beside.clone(),
            aside: Handle::current(),
        });
        let bound: Bound = listen.bind().await.unwrap();
        let address = bound.address().unwrap();
        let (ready, is_ready) = watch::channel(false);
        let stop = CancellationToken::new();
        let mut routers = JoinSet::new();
        let stopped = stop.clone();
        routers.spawn(async move { serve(bound, router, is_ready, stopped).await.unwrap() });
        Self {
            address,
            routes,
            metrics,
            ready,
            stop,
            sealer,
            upstream,
            routers,
            beside: tasks_beside,
            _upstream: tasks,
        }
    }

    /// What was begun beside the exchanges is done.
    pub(crate) async fn is_quiet(&self) {
        self.beside.close();
        timeout(SOON, self.beside.wait()).await.expect("something goes on and on");
        self.beside.reopen();
    }

    /// The router has ended.
    pub(crate) async fn has_stopped(&mut self) {
        timeout(SOON, self.routers.join_next()).await.expect("it has not stopped").unwrap().unwrap();
    }

    /// The id of a gateway session; `number` tells sessions apart.
    pub(crate) fn session(&self, number: u8) -> String {
        self.session_of(number, ClientCapabilities::default())
    }

    /// The same, of a client that has announced `capabilities`.
    pub(crate) fn session_of(&self, number: u8, capabilities: ClientCapabilities) -> String {
        let (id, now) = (SessionId([number; 16]), clock::now());
        let expires = now.plus(Duration::from_hours(1)).0;
        let revision = Revision::LATEST;
        self.sealer.seal_session(&Session {
            id,
            issued: now.0,
            expires,
            capabilities,
            revision,
            virtual_server: None,
        })
    }
}

/// `mcp-test/github` (prefix, sessions, credential) and `mcp-test/time` (none of them).
fn spec() -> Spec {
    let server = |name: &str, hostname: &str| ServerSpec {
        name: ObjectName::parse(name).unwrap(),
        url: format!("http://{hostname}/mcp").parse().unwrap(),
        hostname: Authority::parse(hostname).unwrap(),
        prefix: Prefix::default(),
        credential: None,
        call_credential: CallCredential::default(),
        enabled: true,
        ca_bundle: None,
        timeouts: Timeouts::default(),
    };
    Spec {
        public_hosts: vec![Authority::parse("mcp.example.com").unwrap()],
        allowed_origins: Vec::new(),
        servers: vec![
            ServerSpec {
                prefix: Prefix::parse("github_").unwrap(),
                credential: Some(SecretString::from("Bearer hunter2")),
                ..server("mcp-test/github", "github.mcp.local")
            },
            server("mcp-test/time", "time.mcp.local"),
        ],
        virtual_servers: Vec::new(),
        require_session: false,
        private_host: None,
        relist: None,
        limits: Limits { body: BODY_LIMIT, page: 0 },
    }
}

/// What the server has seen, and how it behaves.
#[derive(Default)]
pub(crate) struct Upstream {
    /// `initialize` requests; the nth opens session `srv-n`.
    pub(crate) opened: AtomicUsize,
    pub(crate) pings: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    /// Sessions up to this one are not known any more.
    pub(crate) lost: AtomicUsize,
    /// Calls wait for [`Upstream::release`].
    pub(crate) holds: AtomicBool,
    pub(crate) release: Notify,
    /// JSON-RPC errors that came through Envoy, each after the session it came in.
    pub(crate) errors: Mutex<Vec<(String, String)>>,
    /// No sessions are opened.
    pub(crate) refuses: AtomicBool,
}

impl Upstream {
    fn knows(&self, session: Option<&HeaderValue>) -> bool {
        let number = session.and_then(|id| id.to_str().ok()?.strip_prefix("srv-")?.parse().ok());
        number.is_some_and(|number: usize| number > self.lost.load(Ordering::SeqCst))
    }
}

async fn start_upstream(upstream: Arc<Upstream>, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/mcp", post(answer)).with_state(upstream);
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn answer(State(upstream): State<Arc<Upstream>>, headers: HeaderMap, body: String) -> Response {
    assert!(headers.contains_key("x-mcp-hairpin"), "only the gateway's own requests come here");
    let json = [("content-type", "application/json")];
    if body.contains(r#""initialize""#) && upstream.refuses.load(Ordering::SeqCst) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if body.contains(r#""initialize""#) {
        let id = format!("srv-{}", upstream.opened.fetch_add(1, Ordering::SeqCst) + 1);
        let result = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"t","version":"1"}}}"#;
        return (json, [("mcp-session-id", id)], result).into_response();
    }
    if !upstream.knows(headers.get("mcp-session-id")) {
        return (StatusCode::NOT_FOUND, "gone").into_response();
    }
    if body.contains(r#""error""#) {
        let session = headers["mcp-session-id"].to_str().unwrap().to_owned();
        upstream.errors.lock().unwrap().push((session, body));
        return StatusCode::ACCEPTED.into_response();
    }
    if body.contains(r#""ping""#) {
        upstream.pings.fetch_add(1, Ordering::SeqCst);
        return (json, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).into_response();
    }
    if body.contains(r#""tools/call""#) {
        upstream.calls.fetch_add(1, Ordering::SeqCst);
        assert_eq!(headers["x-mcp-toolname"], "get_me");
        assert!(body.contains(r#""name":"get_me""#), "{body}");
        if upstream.holds.load(Ordering::SeqCst) {
            upstream.release.notified().await;
        }
        let stream = [("content-type", "text/event-stream"), ("mcp-session-id", "srv-secret")];
        return (stream, format!("data: {body}\n\n")).into_response();
    }
    StatusCode::ACCEPTED.into_response()
}
