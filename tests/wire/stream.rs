//! One stream of a client that plays Envoy's part.

use std::time::Duration;

use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    extensions::filters::http::ext_proc::v3::processing_mode::BodySendMode,
    service::ext_proc::v3::{
        BodyMutation, CommonResponse, HeaderMutation, HttpBody, HttpHeaders, HttpTrailers, ImmediateResponse,
        ProcessingRequest, ProcessingResponse, ProtocolConfiguration, StreamedBodyResponse, body_mutation,
        external_processor_client::ExternalProcessorClient, processing_request::Request as Message,
        processing_response::Response as Reply,
    },
};
use mcp_gateway::ext_proc::Listen;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Streaming,
    transport::{Channel, Endpoint},
};

use crate::gateway::{Gateway, SOON};

/// The head of a POST to the endpoint.
pub(crate) const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":authority", "mcp.example.com"),
    (":path", "/mcp"),
    (":scheme", "http"),
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("accept-encoding", "gzip"),
];

pub(crate) const NOW: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}"#;

pub(crate) const GET_ME: &str =
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"github_get_me"}}"#;

/// One HTTP exchange.
pub(crate) struct Exchange {
    to: Option<mpsc::Sender<ProcessingRequest>>,
    from: Streaming<ProcessingResponse>,
    mode: Option<BodySendMode>,
}

impl Exchange {
    pub(crate) async fn open(gateway: &Gateway, mode: BodySendMode) -> Self {
        Self::on(channel(&gateway.address).await, mode).await
    }

    pub(crate) async fn on(channel: Channel, mode: BodySendMode) -> Self {
        let (to, requests) = mpsc::channel(16);
        let mut client = ExternalProcessorClient::new(channel);
        let from = client.process(ReceiverStream::new(requests)).await.unwrap().into_inner();
        Self { to: Some(to), from, mode: Some(mode) }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let protocol_config = self.mode.take().map(|mode| ProtocolConfiguration {
            request_body_mode: mode.into(),
            ..ProtocolConfiguration::default()
        });
        let request =
            ProcessingRequest { request: Some(message), protocol_config, ..ProcessingRequest::default() };
        self.send_raw(request).await;
    }

    pub(crate) async fn send_raw(&mut self, request: ProcessingRequest) {
        self.to.as_ref().unwrap().send(request).await.unwrap();
    }

    pub(crate) async fn headers(&mut self, fields: &[(&str, &str)], end_of_stream: bool) {
        self.send(Message::RequestHeaders(headers(fields, end_of_stream))).await;
    }

    pub(crate) async fn body(&mut self, body: &str, end_of_stream: bool) {
        self.send(Message::RequestBody(http_body(body, end_of_stream))).await;
    }

    pub(crate) async fn trailers(&mut self) {
        self.send(Message::RequestTrailers(HttpTrailers::default())).await;
    }

    pub(crate) async fn response_headers(&mut self, status: &str, end_of_stream: bool) {
        let fields = [(":status", status), ("content-length", "4"), ("mcp-session-id", "srv-secret")];
        self.send(Message::ResponseHeaders(headers(&fields, end_of_stream))).await;
    }

    pub(crate) async fn response_body(&mut self, body: &str, end_of_stream: bool) {
        self.send(Message::ResponseBody(http_body(body, end_of_stream))).await;
    }

    /// The head of an event stream.
    pub(crate) async fn event_stream(&mut self) {
        let fields = [(":status", "200"), ("content-type", "text/event-stream"), ("content-length", "4")];
        self.send(Message::ResponseHeaders(headers(&fields, false))).await;
    }

    pub(crate) async fn response_trailers(&mut self) {
        self.send(Message::ResponseTrailers(HttpTrailers::default())).await;
    }

    /// Nothing more comes from Envoy.
    pub(crate) fn half_close(&mut self) {
        self.to = None;
    }

    /// The next answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.message().await.response.unwrap()
    }

    pub(crate) async fn message(&mut self) -> ProcessingResponse {
        timeout(SOON, self.from.message()).await.expect("no answer").unwrap().expect("the stream has ended")
    }

    /// The stream ends with OK.
    pub(crate) async fn ends(&mut self) {
        let end = timeout(SOON, self.from.message()).await.expect("the stream has not ended");
        assert_eq!(end.unwrap(), None);
    }

    /// The stream ends with an error.
    pub(crate) async fn fails(&mut self) -> Code {
        timeout(SOON, self.from.message()).await.expect("the stream has not ended").unwrap_err().code()
    }

    /// Nothing comes while nothing is due. A short wait is all there is to prove it by.
    pub(crate) async fn is_silent(&mut self) {
        let wait = Duration::from_millis(100);
        assert!(timeout(wait, self.from.message()).await.is_err(), "nothing was due");
    }

    pub(crate) async fn request_headers_answer(&mut self) -> Answer {
        match self.reply().await {
            Reply::RequestHeaders(headers) => Answer(headers.response.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn request_body_answer(&mut self) -> Answer {
        match self.reply().await {
            Reply::RequestBody(body) => Answer(body.response.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn response_headers_answer(&mut self) -> Answer {
        match self.reply().await {
            Reply::ResponseHeaders(headers) => Answer(headers.response.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    /// The next piece of the response's body, and whether it is the last.
    pub(crate) async fn response_piece(&mut self) -> (String, bool) {
        match self.reply().await {
            Reply::ResponseBody(body) => Answer(body.response.unwrap_or_default()).piece(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn immediate(&mut self) -> ImmediateResponse {
        match self.reply().await {
            Reply::ImmediateResponse(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Status and body of an `ImmediateResponse`, and the stream's end.
    pub(crate) async fn refused(&mut self) -> (i32, String) {
        let response = self.immediate().await;
        self.ends().await;
        (response.status.unwrap().code, String::from_utf8(response.body).unwrap())
    }
}

/// What one answer changes.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) CommonResponse);

impl Answer {
    pub(crate) fn set(&self, name: &str) -> Option<String> {
        let HeaderMutation { set_headers, .. } = self.0.header_mutation.as_ref()?;
        let headers = set_headers.iter().filter_map(|option| option.header.as_ref());
        let mut values = headers.filter(|header| header.key == name);
        let value = values.next().map(|header| String::from_utf8(header.raw_value.clone()).unwrap());
        assert!(values.next().is_none(), "{name} is set twice");
        value
    }

    pub(crate) fn removes(&self, name: &str) -> bool {
        self.0
            .header_mutation
            .as_ref()
            .is_some_and(|mutation| mutation.remove_headers.iter().any(|it| it == name))
    }

    pub(crate) fn body(&self) -> Option<String> {
        match self.0.body_mutation.clone()?.mutation? {
            body_mutation::Mutation::Body(body) => Some(String::from_utf8(body).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn piece(&self) -> (String, bool) {
        let Some(BodyMutation { mutation: Some(body_mutation::Mutation::StreamedResponse(piece)) }) =
            self.0.body_mutation.clone()
        else {
            panic!("{self:?}")
        };
        let StreamedBodyResponse { body, end_of_stream, .. } = piece;
        (String::from_utf8(body).unwrap(), end_of_stream)
    }
}

pub(crate) async fn channel(address: &Listen) -> Channel {
    let Listen::Tcp(address) = address else { panic!("not a TCP address") };
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

pub(crate) fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    POST.iter().filter(|(name, _)| !replaced(name)).chain(more).copied().collect()
}

pub(crate) fn headers(fields: &[(&str, &str)], end_of_stream: bool) -> HttpHeaders {
    let headers = fields.iter().map(|(name, value)| HeaderValue {
        key: (*name).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    });
    let headers = Some(HeaderMap { headers: headers.collect() });
    HttpHeaders { headers, end_of_stream, ..HttpHeaders::default() }
}

fn http_body(body: &str, end_of_stream: bool) -> HttpBody {
    HttpBody { body: body.as_bytes().to_vec(), end_of_stream, ..HttpBody::default() }
}
