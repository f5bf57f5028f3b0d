//! `grpc.health.v1`: whether the router is ready, asked once or watched.

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::watch;
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

use super::grpc::{self, Inbound, Outbound};

/// What is asked for: the whole process (Kubernetes asks so by default), or the router.
const NAMES: [&str; 2] = ["", super::router::SERVICE];

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Check,
    Watch,
}

impl Method {
    /// The method of the path `/grpc.health.v1.Health/NAME`.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix('/')?.strip_prefix(health_server::SERVICE_NAME)? {
            "/Check" => Some(Self::Check),
            "/Watch" => Some(Self::Watch),
            _ => None,
        }
    }
}

/// Answers until nothing more is to be said; a watch ends with the stream.
pub(super) async fn answer(
    method: Method,
    mut inbound: Inbound,
    outbound: &mut Outbound,
    mut ready: watch::Receiver<bool>,
) -> Result<(), Status> {
    let asked = inbound.message().await?.ok_or_else(|| Status::invalid_argument("no request has come"))?;
    let asked =
        HealthCheckRequest::decode(asked).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let is_known = NAMES.contains(&&*asked.service);
    match method {
        Method::Check if !is_known => Err(Status::not_found("service not registered")),
        Method::Check => {
            let is_ready = *ready.borrow();
            outbound.message([response(serving(is_ready))]).await
        }
        Method::Watch if !is_known => {
            outbound.message([response(ServingStatus::ServiceUnknown)]).await?;
            Err(outbound.given_up().await)
        }
        Method::Watch => loop {
            let is_ready = *ready.borrow_and_update();
            outbound.message([response(serving(is_ready))]).await?;
            tokio::select! {
                changed = ready.changed() => if changed.is_err() { return Err(outbound.given_up().await) },
                gone = outbound.given_up() => return Err(gone),
            }
        },
    }
}

fn serving(is_ready: bool) -> ServingStatus {
    if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> Bytes {
    grpc::encoded(&HealthCheckResponse { status: status.into() })
}
