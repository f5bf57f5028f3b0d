//! What stands around Envoy while its bootstrap is tried: a processor that does as the path says, and servers that
//! say what they were sent.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::Pin;

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
    service::ext_proc::v3::{
        BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpHeaders,
        ImmediateResponse, ProcessingRequest, ProcessingResponse, StreamedBodyResponse, TrailersResponse,
        body_mutation::Mutation,
        external_processor_server::{ExternalProcessor, ExternalProcessorServer},
        processing_request::Request as Asked,
        processing_response::Response as Answer,
    },
    r#type::v3::HttpStatus,
};
use envoy_types::pb::google::protobuf::{Struct, Value as Field, value::Kind};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, Streaming, transport::Server};

/// An HTTP server that answers with what it was sent; gives its port.
pub(crate) async fn echo(who: &'static str) -> u16 {
    async fn say(State(who): State<&'static str>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let headers: serde_json::Map<_, _> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let seen = json!({
            "who": who, "method": head.method.as_str(), "path": head.uri.path(), "headers": headers,
            "body": String::from_utf8_lossy(&body),
        });
        ([("content-type", "application/json")], seen.to_string()).into_response()
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().fallback(say).with_state(who);
    TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    port
}

/// A processor that runs until it is dropped.
pub(crate) struct Processor {
    pub(crate) address: String,
    _stop: tokio_util::sync::DropGuard,
}

/// `/route/NAME`: to the server `NAME`; `/answer/STATUS`: an answer of its own; else: as it is.
pub(crate) async fn processor() -> Processor {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let service = ExternalProcessorServer::new(AsThePathSays);
    let stopped = stop.clone();
    let incoming = TcpListenerStream::new(listener);
    let server = Server::builder().add_service(service);
    TaskTracker::new().spawn(server.serve_with_incoming_shutdown(incoming, stopped.cancelled_owned()));
    Processor { address, _stop: stop.drop_guard() }
}

struct AsThePathSays;

type Answers = Pin<Box<dyn Stream<Item = Result<ProcessingResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalProcessor for AsThePathSays {
    type ProcessStream = Answers;

    async fn process(
        &self,
        requests: tonic::Request<Streaming<ProcessingRequest>>,
    ) -> Result<tonic::Response<Answers>, Status> {
        let mut exchange = Exchange::default();
        let answers = requests.into_inner().flat_map(move |request| {
            stream::iter(
                request.map(|request| exchange.answers(request)).unwrap_or_default().into_iter().map(Ok),
            )
        });
        Ok(tonic::Response::new(answers.boxed()))
    }
}

/// One HTTP exchange.
#[derive(Default)]
struct Exchange {
    path: String,
    in_pieces: bool,
    body: Vec<u8>,
}

impl Exchange {
    fn answers(&mut self, request: ProcessingRequest) -> Vec<ProcessingResponse> {
        if let Some(config) = request.protocol_config {
            self.in_pieces = config.request_body_mode == 4;
        }
        match request.request.unwrap() {
            Asked::RequestHeaders(headers) if headers.end_of_stream => {
                self.path = path(&headers);
                vec![
                    self.decision(|common| {
                        Answer::RequestHeaders(HeadersResponse { response: Some(common) })
                    }),
                ]
            }
            Asked::RequestHeaders(headers) => {
                self.path = path(&headers);
                if self.in_pieces {
                    Vec::new()
                } else {
                    vec![response(Answer::RequestHeaders(HeadersResponse::default()))]
                }
            }
            Asked::RequestBody(body) if self.in_pieces => {
                self.body.extend(body.body);
                if body.end_of_stream { self.whole_body() } else { Vec::new() }
            }
            Asked::RequestBody(_) => {
                vec![self.decision(|common| Answer::RequestBody(BodyResponse { response: Some(common) }))]
            }
            Asked::ResponseHeaders(_) => vec![response(Answer::ResponseHeaders(HeadersResponse::default()))],
            Asked::RequestTrailers(_) => vec![response(Answer::RequestTrailers(TrailersResponse::default()))],
            other @ (Asked::ResponseBody(_) | Asked::ResponseTrailers(_)) => {
                panic!("not asked for: {other:?}")
            }
        }
    }

    fn whole_body(&mut self) -> Vec<ProcessingResponse> {
        let decision =
            self.decision(|common| Answer::RequestHeaders(HeadersResponse { response: Some(common) }));
        if matches!(decision.response, Some(Answer::ImmediateResponse(_))) {
            return vec![decision];
        }
        let piece = StreamedBodyResponse {
            body: std::mem::take(&mut self.body),
            end_of_stream: true,
            ..Default::default()
        };
        let mutation = BodyMutation { mutation: Some(Mutation::StreamedResponse(piece)) };
        let common = CommonResponse { body_mutation: Some(mutation), ..Default::default() };
        vec![decision, response(Answer::RequestBody(BodyResponse { response: Some(common) }))]
    }

    fn decision(&self, answer: impl FnOnce(CommonResponse) -> Answer) -> ProcessingResponse {
        if let Some(name) = self.path.strip_prefix("/route/") {
            let host = format!("{}.mcp.local", name.rsplit('/').next().unwrap());
            let set_headers = vec![header(":authority", &host), header("x-mcp-toolname", "a_tool")];
            let mutation = HeaderMutation { set_headers, remove_headers: Vec::new() };
            let common = CommonResponse {
                header_mutation: Some(mutation),
                clear_route_cache: true,
                ..Default::default()
            };
            return ProcessingResponse {
                dynamic_metadata: Some(decided_for(name)),
                ..response(answer(common))
            };
        }
        if let Some(status) = self.path.strip_prefix("/answer/") {
            return response(Answer::ImmediateResponse(ImmediateResponse {
                status: Some(HttpStatus { code: status.parse().unwrap() }),
                headers: Some(HeaderMutation {
                    set_headers: vec![header("content-type", "application/json")],
                    remove_headers: Vec::new(),
                }),
                body:
                    json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": "from the processor"}})
                        .to_string()
                        .into(),
                ..Default::default()
            }));
        }
        response(answer(CommonResponse::default()))
    }
}

fn decided_for(name: &str) -> Struct {
    let text = |text: &str| Field { kind: Some(Kind::StringValue(text.to_owned())) };
    let inner = Struct { fields: [("server".to_owned(), text(name))].into() };
    Struct { fields: [("mcp_gateway".to_owned(), Field { kind: Some(Kind::StructValue(inner)) })].into() }
}

fn path(headers: &HttpHeaders) -> String {
    let fields = &headers.headers.as_ref().unwrap().headers;
    let path = fields.iter().find(|field| field.key == ":path").unwrap();
    String::from_utf8(path.raw_value.clone()).unwrap()
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            raw_value: value.as_bytes().to_vec(),
            ..Default::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..Default::default()
    }
}

fn response(answer: Answer) -> ProcessingResponse {
    ProcessingResponse { response: Some(answer), ..Default::default() }
}
