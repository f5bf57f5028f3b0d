//! An API server that has Secrets of one namespace, and gives each by its name only, as the data plane's Role does.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt as _, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_stream::wrappers::WatchStream;

/// The Secrets by name, each with the version it was written at, and the version of the whole.
#[derive(Clone, Debug, Default)]
struct Stored {
    secrets: BTreeMap<String, (u64, Secret)>,
    version: u64,
}

/// Outlives the server, as etcd does.
#[derive(Clone, Debug)]
pub(crate) struct Secrets(Arc<Mutex<watch::Sender<Stored>>>);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(watch::Sender::new(Stored::default()))))
    }

    pub(crate) fn put(&self, name: &str, entries: &[(&str, &str)]) {
        let data =
            entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
        self.change(|stored| {
            secret.metadata.name = Some(name.to_owned());
            secret.metadata.namespace = Some("mcp-system".to_owned());
            secret.metadata.resource_version = Some(stored.version.to_string());
            stored.secrets.insert(name.to_owned(), (stored.version, secret));
        });
    }

    pub(crate) fn remove(&self, name: &str) {
        self.change(|stored| {
            stored.secrets.remove(name);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Stored)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).send_modify(|stored| {
            stored.version += 1;
            change(stored);
        });
    }

    fn watch(&self) -> watch::Receiver<Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).subscribe()
    }
}

/// A server of [`Secrets`]; ends with its value, watches too.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
    connections: Arc<watch::Sender<()>>,
}

impl Api {
    /// Listens at `address`, which may have port 0.
    pub(crate) async fn start(secrets: &Secrets, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(watch::Sender::new(()));
        let app = Router::new()
            .route("/api/v1/namespaces/mcp-system/secrets", get(list))
            .route("/api/v1/namespaces/mcp-system/secrets/{name}", get(one))
            .with_state((secrets.clone(), Arc::downgrade(&connections)));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, server, connections }
    }

    pub(crate) fn client(&self) -> Client {
        let mut config = Config::new(format!("http://{}", self.address).parse().unwrap());
        config.proxy_url = None;
        Client::try_from(config).unwrap()
    }

    pub(crate) async fn stop(self) {
        drop(self.connections);
        self.server.abort();
        let _ended = self.server.await;
    }
}

type Shared = State<(Secrets, std::sync::Weak<watch::Sender<()>>)>;

async fn one(State((secrets, connections)): Shared, Path(name): Path<String>) -> Response {
    if connections.upgrade().is_none() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    }
    match secrets.watch().borrow().secrets.get(&name) {
        Some((_, secret)) => answer(&object(secret)),
        None => refusal(StatusCode::NOT_FOUND, "NotFound"),
    }
}

async fn list(State((secrets, connections)): Shared, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let value = |key: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
    };
    let Some(name) =
        value("fieldSelector").and_then(|it| it.strip_prefix("metadata.name%3D").map(str::to_owned))
    else {
        return refusal(StatusCode::FORBIDDEN, "Forbidden");
    };
    // a connection can outlive the server
    let Some(ended) = connections.upgrade().map(|connections| connections.subscribe()) else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
    };
    let mut stored = secrets.watch();
    if value("watch").is_none() {
        let stored = stored.borrow_and_update().clone();
        let items: Vec<_> = stored.secrets.get(&name).map(|(_, secret)| object(secret)).into_iter().collect();
        let metadata = json!({"resourceVersion": stored.version.to_string()});
        return answer(
            &json!({"kind": "SecretList", "apiVersion": "v1", "metadata": metadata, "items": items}),
        );
    }
    let since: u64 = value("resourceVersion").and_then(|since| since.parse().ok()).unwrap_or_default();
    let mut known = stored.borrow().secrets.get(&name).map(|(version, _)| *version).filter(|it| *it <= since);
    let events = WatchStream::new(stored).filter_map(move |stored| {
        let event = event(&stored, &name, &mut known);
        async move { event.map(|event| Ok::<_, Infallible>(format!("{event}\n"))) }
    });
    let ended = Box::pin(async move {
        let mut ended = ended;
        while ended.changed().await.is_ok() {}
    });
    Body::from_stream(stream::StreamExt::take_until(events, ended)).into_response()
}

/// What a watcher that knows the version `known` is told.
fn event(stored: &Stored, name: &str, known: &mut Option<u64>) -> Option<Value> {
    let found = stored.secrets.get(name);
    let before = std::mem::replace(known, found.map(|(version, _)| *version));
    match (before, found) {
        (None, Some((_, secret))) => Some(json!({"type": "ADDED", "object": object(secret)})),
        (Some(before), Some((version, secret))) if before != *version => {
            Some(json!({"type": "MODIFIED", "object": object(secret)}))
        }
        (Some(_), None) => {
            let metadata = json!({"name": name, "namespace": "mcp-system", "resourceVersion": stored.version.to_string()});
            Some(
                json!({"type": "DELETED", "object": {"kind": "Secret", "apiVersion": "v1", "metadata": metadata}}),
            )
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn object(secret: &Secret) -> Value {
    serde_json::to_value(secret).unwrap()
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status.as_u16()});
    (status, [("connection", "close")], answer(&body)).into_response()
}

fn answer(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}
