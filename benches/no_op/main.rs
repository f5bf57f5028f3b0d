//! The floor of `benches/calls`: an external processor that answers each message and decides nothing.
//!
//! Written as one would write a first tonic service: the runtime and the server as they come, the answers mapped from
//! the messages. `--task` is the other usual way, a task and a channel for each stream.

use std::{error::Error, pin::Pin};

use clap::Parser;
use envoy_types::pb::envoy::{
    extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode,
    service::ext_proc::v3::{
        BodyMutation, BodyResponse, CommonResponse, HeadersResponse, HttpBody, ProcessingRequest,
        ProcessingResponse, StreamedBodyResponse, TrailersResponse,
        body_mutation::Mutation,
        external_processor_server::{ExternalProcessor, ExternalProcessorServer},
        processing_request::Request as Message,
        processing_response::Response as Reply,
    },
};
use tokio::{net::UnixListener, sync::mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{ReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

#[derive(Clone, Copy, Debug, Parser)]
struct Behaviour {
    /// Answer a request's body with a mutation of the same bytes, as a router does that writes into bodies.
    #[arg(long)]
    echo_body: bool,
    /// Answer from a task of its own, over a channel.
    #[arg(long)]
    task: bool,
}

/// An external processor that does nothing.
#[derive(Debug, Parser)]
struct Options {
    /// `IP:PORT` or `unix:/path`.
    #[arg(long)]
    listen: String,
    /// Streams that Envoy may have reset before they are accepted, else the connection is closed; tonic's usual: 20.
    #[arg(long)]
    max_resets: Option<usize>,
    #[command(flatten)]
    behaviour: Behaviour,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Options { listen, max_resets, behaviour } = Options::parse();
    let mut builder = Server::builder().http2_max_pending_accept_reset_streams(max_resets);
    let server = builder.add_service(ExternalProcessorServer::new(NoOp { behaviour }));
    if let Some(path) = listen.strip_prefix("unix:") {
        server.serve_with_incoming(UnixListenerStream::new(UnixListener::bind(path)?)).await?;
    } else {
        server.serve(listen.parse()?).await?;
    }
    Ok(())
}

#[derive(Debug)]
struct NoOp {
    behaviour: Behaviour,
}

type Answer = Result<ProcessingResponse, Status>;

#[tonic::async_trait]
impl ExternalProcessor for NoOp {
    type ProcessStream = Pin<Box<dyn Stream<Item = Answer> + Send>>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let (mut inbound, behaviour) = (request.into_inner(), self.behaviour);
        let mut in_pieces = false;
        let mut answer = move |message: ProcessingRequest| {
            in_pieces |= message
                .protocol_config
                .as_ref()
                .is_some_and(|config| config.request_body_mode() == BodySendMode::FullDuplexStreamed);
            message.request.map_or_else(
                || Err(Status::invalid_argument("no request")),
                |message| reply(message, in_pieces, behaviour.echo_body),
            )
        };
        if !behaviour.task {
            return Ok(Response::new(Box::pin(inbound.map(move |message| answer(message?)))));
        }
        let (answers, outbound) = mpsc::channel(4);
        #[allow(clippy::disallowed_methods, reason = "as a first service does it")]
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbound.message().await {
                if answers.send(answer(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outbound))))
    }
}

fn reply(message: Message, in_pieces: bool, echoes: bool) -> Answer {
    let reply = match message {
        Message::RequestHeaders(_) => Reply::RequestHeaders(HeadersResponse::default()),
        Message::ResponseHeaders(_) => Reply::ResponseHeaders(HeadersResponse::default()),
        Message::RequestBody(HttpBody { body, end_of_stream, .. }) if in_pieces => {
            let piece = StreamedBodyResponse { body, end_of_stream, ..StreamedBodyResponse::default() };
            Reply::RequestBody(body_response(Mutation::StreamedResponse(piece)))
        }
        Message::RequestBody(HttpBody { body, .. }) if echoes => {
            Reply::RequestBody(body_response(Mutation::Body(body)))
        }
        Message::RequestBody(_) => Reply::RequestBody(BodyResponse::default()),
        Message::RequestTrailers(_) => Reply::RequestTrailers(TrailersResponse::default()),
        Message::ResponseBody(_) | Message::ResponseTrailers(_) => {
            return Err(Status::unimplemented("not asked for"));
        }
    };
    Ok(ProcessingResponse { response: Some(reply), ..ProcessingResponse::default() })
}

fn body_response(mutation: Mutation) -> BodyResponse {
    let body_mutation = Some(BodyMutation { mutation: Some(mutation) });
    BodyResponse { response: Some(CommonResponse { body_mutation, ..CommonResponse::default() }) }
}
