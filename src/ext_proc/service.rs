//! The gRPC service: one stream, one exchange.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use envoy_types::pb::envoy::service::ext_proc::v3::{
    ProcessingRequest, ProcessingResponse,
    external_processor_server::{ExternalProcessor, ExternalProcessorServer},
};
use futures_util::{FutureExt as _, Stream, stream::try_unfold};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use super::stream::Conversation;
use crate::{
    credentials::Sealer,
    routing::{Limits, Routes},
    sessions::{Hairpin, Store},
    telemetry::Metrics,
};

/// Most exchanges at once on one connection of Envoy.
pub(super) const MAX_STREAMS: u32 = 100_000;

/// Room for what stands beside a body in a message, in bytes.
const HEADROOM: usize = 1 << 20;

/// What every exchange works with.
#[derive(Debug)]
pub struct Parts {
    pub routes: Arc<Routes>,
    pub sealer: Arc<Sealer>,
    pub store: Arc<Store>,
    pub hairpin: Arc<Hairpin>,
    pub metrics: Arc<Metrics>,
    /// What is done beside the exchanges; shutdown waits for it.
    pub tasks: TaskTracker,
}

/// The external processor that routes MCP.
#[derive(Clone, Debug)]
pub struct Router {
    parts: Arc<Parts>,
}

impl Router {
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// The gRPC service. Its message size fits the largest body that a configuration may allow.
    pub fn into_service(self) -> ExternalProcessorServer<Self> {
        let size = Limits::MAX_BODY + HEADROOM;
        ExternalProcessorServer::new(self).max_decoding_message_size(size).max_encoding_message_size(size)
    }
}

#[tonic::async_trait]
impl ExternalProcessor for Router {
    type ProcessStream = Pin<Box<dyn Stream<Item = Result<ProcessingResponse, Status>> + Send>>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let conversation = Box::new(Conversation::new(Arc::clone(&self.parts), request.into_inner()));
        Ok(Response::new(Box::pin(try_unfold(conversation, advance))))
    }
}

type Advanced = Option<(ProcessingResponse, Box<Conversation>)>;

async fn advance(mut conversation: Box<Conversation>) -> Result<Advanced, Status> {
    // a panic would end the connection, and every other exchange on it
    let next = AssertUnwindSafe(conversation.next()).catch_unwind().await;
    let next = next.unwrap_or_else(|_panic| Err(Status::internal("internal error")));
    match next {
        Ok(Some(response)) => Ok(Some((response, conversation))),
        Ok(None) => Ok(None),
        Err(status) => {
            conversation.fail(&status);
            Err(status)
        }
    }
}
