//! What operators and probes ask: health, readiness, metrics, status.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

/// Where the answers come from.
#[derive(Clone)]
pub struct Sources {
    /// Whether requests can be served; otherwise why not.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The status page, as JSON.
    pub status: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// `OpenMetrics` text.
    pub metrics: Arc<dyn Fn() -> Result<String, fmt::Error> + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// `/healthz`: the process runs. `/readyz`: it can serve (503 with the reason while it cannot). `/metrics`:
/// `OpenMetrics` text. `/status`: JSON.
pub fn app(sources: Sources) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(sources)
}

async fn ready(State(sources): State<Sources>) -> Response {
    match (sources.ready)() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(sources): State<Sources>) -> Response {
    match (sources.metrics)() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn status(State(sources): State<Sources>) -> Response {
    ([(CONTENT_TYPE, "application/json")], (sources.status)().to_string()).into_response()
}
