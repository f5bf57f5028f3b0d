//! The external processor: what every exchange works with, and which gRPC method is which.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server;
use h2::{RecvStream, server::SendResponse};
use http::{Request, header};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::{
    grpc::{self, Inbound, Outbound},
    health,
    stream::Conversation,
};
use crate::{
    credentials::Sealer,
    routing::Routes,
    sessions::{Hairpin, Store},
    telemetry::Metrics,
};

/// The gRPC name of the router.
pub(super) const SERVICE: &str = external_processor_server::SERVICE_NAME;

/// What every exchange works with.
#[derive(Debug)]
pub struct Parts {
    pub routes: Arc<Routes>,
    pub sealer: Arc<Sealer>,
    pub store: Arc<Store>,
    pub hairpin: Arc<Hairpin>,
    pub metrics: Arc<Metrics>,
    /// Longest time that a body may take to arrive in pieces ([`super::DUPLEX_DEADLINE`]).
    pub duplex_deadline: Duration,
    /// What is done beside the exchanges; shutdown waits for it.
    pub tasks: TaskTracker,
    /// Where that is done: the threads of exchanges end with their connections.
    pub aside: Handle,
}

/// The external processor that routes MCP (`envoy.service.ext_proc.v3.ExternalProcessor`).
#[derive(Clone, Debug)]
pub struct Router {
    parts: Arc<Parts>,
}

impl Router {
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Serves one HTTP/2 stream, from its request to its last trailer.
    pub(super) async fn serve(
        self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        ready: watch::Receiver<bool>,
    ) {
        let (head, body) = request.into_parts();
        let is_grpc = |value: &header::HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        if !head.headers.get(header::CONTENT_TYPE).is_some_and(is_grpc) {
            return grpc::refuse(respond, &Status::invalid_argument("this is a gRPC service"));
        }
        let path = head.uri.path();
        let is_process =
            path.strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE)) == Some("/Process");
        let health = health::Method::of(path);
        if !is_process && health.is_none() {
            return grpc::refuse(respond, &Status::unimplemented("there is no such method"));
        }
        let Ok(mut outbound) = Outbound::open(respond) else { return };
        let inbound = Inbound::new(body);
        let Some(method) = health else {
            return Conversation::new(self.parts, inbound, outbound).run().await;
        };
        let status = match Box::pin(health::answer(method, inbound, &mut outbound, ready)).await {
            Ok(()) => Status::ok(""),
            Err(status) => status,
        };
        outbound.end(&status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what `_service` returns, in bytes.
    fn size_of_state<A, B, C, D, F>(_service: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_state_of_an_exchange_is_small() {
        // it is moved when it begins, and there is one for each call under way
        let size = size_of_state(Router::serve);
        assert!(size <= 4096, "{size} bytes: put what is rarely done into a box");
    }
}
