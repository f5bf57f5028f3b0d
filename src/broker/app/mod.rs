//! The MCP endpoint: `POST`, `GET` and `DELETE` on `/mcp`, for requests that came through the router.

mod capabilities;
mod delete;
mod events;
mod head;
mod initialize;
mod list;
mod post;
mod reply;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::Method;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::capabilities::ClientCapabilities;
use self::{events::Streams, reply::Refused};
use super::{Broker, Shared, limits::MAX_CLOSING, listings::Listings};
use crate::mcp::Rejection;

/// Methods of the endpoint.
const ALLOW: &str = "GET, POST, DELETE";

/// What answers clients.
#[derive(Debug)]
pub(super) struct Endpoint {
    shared: Shared,
    session_lifetime: Duration,
    listings: watch::Receiver<Listings>,
    streams: Arc<Streams>,
    closing: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Endpoint {
    pub(super) fn new(broker: &Broker) -> Self {
        Self {
            shared: broker.shared.clone(),
            session_lifetime: broker.options.session_lifetime,
            listings: broker.listings.subscribe(),
            streams: Arc::default(),
            closing: Arc::new(Semaphore::new(MAX_CLOSING)),
            tasks: broker.tasks.clone(),
            stop: broker.stop.clone(),
        }
    }
}

/// Routes to `endpoint`. Which virtual server is asked for stands in the router's sealed header; the path of one is
/// only let through.
pub(super) fn router(endpoint: Endpoint) -> axum::Router {
    axum::Router::new()
        .route("/mcp", any(serve))
        .route("/mcp/", any(serve))
        .route("/mcp/virtual/{*name}", any(serve))
        .fallback(|| async { reply::refused(&Refused::from(Rejection::BadPath)) })
        .with_state(Arc::new(endpoint))
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let probe = endpoint.probe(request.headers());
    let answered = match *request.method() {
        Method::POST => endpoint.post(request).await,
        Method::GET => endpoint.events(request).await,
        Method::DELETE => endpoint.delete(request).await,
        _ => Err(Rejection::VerbNotAllowed { allow: ALLOW }.into()),
    };
    let passed_router = !matches!(&answered, Err(Refused { rejection: Rejection::NotRouted, .. }));
    let mut response = answered.unwrap_or_else(|refused| reply::refused(&refused));
    if let Some(nonce) = probe {
        reply::proof(&nonce, passed_router, &mut response);
    }
    response
}
