//! The MCP endpoint: `POST`, `GET` and `DELETE` on `/mcp`, for requests that came through the router.

mod delete;
mod errand;
mod events;
mod fan_out;
mod head;
mod initialize;
mod instructions;
mod list;
mod post;
mod reply;
mod tasks;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::Method;
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{events::Seats, reply::Refused};
use super::{
    Broker, Pace, Shared,
    limits::{MAX_ERRANDS, MAX_FOLLOWING},
    listings::Listings,
};
use crate::mcp::Rejection;

/// Methods of the endpoint.
const ALLOW: &str = "GET, POST, DELETE";

/// What answers clients.
#[derive(Debug)]
pub(super) struct Endpoint {
    shared: Shared,
    session_lifetime: Duration,
    listings: watch::Receiver<Listings>,
    seats: Arc<Seats>,
    following: Arc<Semaphore>,
    pace: Pace,
    /// Requests to servers that nobody waits for.
    /// Sessions at servers that are being closed; apart, so that nothing else keeps them open.
    closing: Arc<Semaphore>,
    telling: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Endpoint {
    pub(super) fn new(broker: &Broker) -> Self {
        Self {
            shared: broker.shared.clone(),
            session_lifetime: broker.options.session_lifetime,
            listings: broker.listings.subscribe(),
            seats: Arc::default(),
            following: Arc::new(Semaphore::new(MAX_FOLLOWING)),
            pace: broker.options.pace,
            closing: Arc::new(Semaphore::new(MAX_ERRANDS)),
            telling: Arc::new(Semaphore::new(MAX_ERRANDS)),
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
