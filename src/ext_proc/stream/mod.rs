//! One gRPC stream, which is one HTTP exchange: messages in, answers out, waits in between.

mod relay;
mod steps;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use envoy_types::pb::envoy::{
    config::core::v3::HeaderMap,
    service::ext_proc::v3::{
        HttpBody, HttpHeaders, ProcessingRequest, ProcessingResponse, processing_request::Request as Message,
    },
};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Code, Status, Streaming};

use self::relay::Relay;
use super::{
    Parts,
    codec::{self, Pending},
    errands::Peer,
};
use crate::{
    exchange::{Answer, BodyMode, Exchange, Head, Input},
    mcp::Rejection,
    sessions::ServerSession,
    telemetry::Outcome,
};

/// Longest time that a body may take to arrive in pieces (`FULL_DUPLEX_STREAMED`, where Envoy has no timeout).
pub const DUPLEX_DEADLINE: Duration = Duration::from_mins(1);

/// How long an answer on which nothing comes goes on with the state that it has begun with.
const RENEWAL: Duration = Duration::from_secs(30);

/// What stands beside the message in what Envoy sends.
struct Beside {
    body_mode: BodyMode,
    virtual_server: Option<String>,
    /// Of a response.
    details: Option<String>,
}

/// The state of one stream. Dropping it, at any point, cancels what it waits for.
pub(super) struct Conversation {
    parts: Arc<Parts>,
    inbound: Streaming<ProcessingRequest>,
    /// Absent until the request's headers have come.
    exchange: Option<Exchange>,
    body_mode: BodyMode,
    pending: Pending,
    /// When the pending message came.
    since: Instant,
    out: VecDeque<ProcessingResponse>,
    over: bool,
    request: Arc<HeaderMap>,
    /// What of the request's body has come and is not answered.
    received: Vec<u8>,
    /// The call as it went to the server, where it may have to be made again.
    call: Option<Vec<u8>>,
    /// Whom the message goes to, in which gateway session.
    peer: Option<Peer>,
    /// The server session that the call was sent in.
    session: Option<ServerSession>,
    response: HeaderMap,
    /// Another answer that is on its way to the client.
    relay: Option<Relay>,
    outcome: Outcome,
}

impl Conversation {
    pub(super) fn new(parts: Arc<Parts>, inbound: Streaming<ProcessingRequest>) -> Self {
        parts.metrics.stream_opened();
        Self {
            parts,
            inbound,
            exchange: None,
            body_mode: BodyMode::None,
            pending: Pending::Nothing,
            since: Instant::now(),
            out: VecDeque::with_capacity(2),
            over: false,
            request: Arc::default(),
            received: Vec::new(),
            call: None,
            peer: None,
            session: None,
            response: HeaderMap::default(),
            relay: None,
            outcome: Outcome::Abandoned,
        }
    }

    /// The next message to Envoy; `None`: the stream ends with OK.
    pub(super) async fn next(&mut self) -> Result<Option<ProcessingResponse>, Status> {
        loop {
            if let Some(ready) = self.out.pop_front() {
                return Ok(Some(ready));
            }
            if let Some(relay) = self.relay.take() {
                self.relay(relay).await?;
            } else if self.over {
                return Ok(None);
            } else if let Some(step) = self.exchange.as_mut().and_then(Exchange::poll) {
                self.take(step).await?;
            } else if self.may_wait() {
                self.receive().await?;
            } else {
                return Err(self.out_of_order());
            }
        }
    }

    /// Whether the exchange owes nothing: a duplex body is still coming, or Envoy waits for nothing.
    fn may_wait(&self) -> bool {
        match self.pending {
            Pending::Nothing | Pending::Held { complete: false } => true,
            Pending::RequestHeaders { end_of_stream: false } => self.body_mode == BodyMode::FullDuplex,
            Pending::RequestHeaders { end_of_stream: true }
            | Pending::RequestBody
            | Pending::Held { complete: true }
            | Pending::Piece { .. }
            | Pending::RequestTrailers
            | Pending::ResponseHeaders { .. }
            | Pending::ResponseTrailers => false,
        }
    }

    async fn receive(&mut self) -> Result<(), Status> {
        let is_collecting = self.pending != Pending::Nothing;
        let message = if is_collecting {
            match timeout_at(self.since + DUPLEX_DEADLINE, self.inbound.message()).await {
                Ok(message) => message.map_err(unread)?,
                Err(_elapsed) => {
                    self.refuse(&Rejection::BodyTooSlow { limit: DUPLEX_DEADLINE.as_secs() });
                    return Ok(());
                }
            }
        } else {
            self.inbound_message().await?
        };
        match message {
            Some(message) => {
                let beside = Beside {
                    body_mode: codec::body_mode(&message),
                    virtual_server: codec::virtual_server(&message).map(str::to_owned),
                    details: codec::details(&message).map(str::to_owned),
                };
                match message.request {
                    Some(request) => self.message(request, &beside),
                    None => Err(Status::invalid_argument("a message without a request")),
                }
            }
            // an OK now would let the request go on without its body
            None if is_collecting => Err(Status::cancelled("the body has not come to its end")),
            None => {
                self.over = true;
                Ok(())
            }
        }
    }

    /// Waits for what Envoy sends next. However long it takes, no old state is kept alive.
    async fn inbound_message(&mut self) -> Result<Option<ProcessingRequest>, Status> {
        loop {
            self.renew();
            if let Ok(message) = timeout(RENEWAL, self.inbound.message()).await {
                return message.map_err(unread);
            }
        }
    }

    fn renew(&mut self) {
        if let (Some(exchange), Some(snapshot)) = (&mut self.exchange, self.parts.routes.load()) {
            exchange.renew(&snapshot);
        }
    }

    fn message(&mut self, message: Message, beside: &Beside) -> Result<(), Status> {
        match message {
            Message::RequestHeaders(headers) => self.request_headers(headers, beside),
            Message::RequestBody(body) => self.request_body(body),
            Message::RequestTrailers(_) => {
                self.pend(Pending::RequestTrailers);
                self.handle(Input::RequestTrailers)
            }
            Message::ResponseHeaders(headers) => self.response_headers(headers, beside.details.as_deref()),
            Message::ResponseBody(body) if self.is_answering() => {
                let HttpBody { body, end_of_stream, .. } = body;
                self.since = Instant::now();
                self.handle(Input::ResponseBody { body: &body, end_of_stream })
            }
            Message::ResponseTrailers(_) if self.is_answering() => {
                self.pend(Pending::ResponseTrailers);
                self.handle(Input::ResponseTrailers)
            }
            Message::ResponseBody(_) | Message::ResponseTrailers(_) => Err(self.out_of_order()),
        }
    }

    fn request_headers(&mut self, headers: HttpHeaders, beside: &Beside) -> Result<(), Status> {
        if self.exchange.is_some() {
            return Err(self.out_of_order());
        }
        let HttpHeaders { headers, end_of_stream, .. } = headers;
        self.pend(Pending::RequestHeaders { end_of_stream });
        let Some(snapshot) = self.parts.routes.load() else {
            self.refuse(&Rejection::NotReady);
            return Ok(());
        };
        let (body_mode, virtual_server) = (beside.body_mode, beside.virtual_server.as_deref());
        self.body_mode = body_mode;
        self.request = headers.unwrap_or_default().into();
        let mut exchange = Exchange::new(snapshot);
        let head = codec::headers(&self.request);
        let head = Head(&head);
        let input = Input::RequestHeaders { head, end_of_stream, body_mode, virtual_server };
        exchange.handle(input, &*self.parts.sealer);
        self.exchange = Some(exchange);
        Ok(())
    }

    fn request_body(&mut self, body: HttpBody) -> Result<(), Status> {
        let HttpBody { mut body, end_of_stream, .. } = body;
        let pending = match (self.pending, self.body_mode) {
            (Pending::RequestHeaders { .. } | Pending::Held { complete: false }, BodyMode::FullDuplex) => {
                Pending::Held { complete: end_of_stream }
            }
            (Pending::Nothing, BodyMode::FullDuplex) => Pending::Piece { end_of_stream },
            (Pending::Nothing, BodyMode::Buffered | BodyMode::None) => Pending::RequestBody,
            _ => return Err(self.out_of_order()),
        };
        let since = self.since;
        self.pend(pending);
        if pending == (Pending::Held { complete: false }) {
            // the deadline is for the whole body
            self.since = since;
        }
        self.handle(Input::RequestBody { body: &body, end_of_stream })?;
        if self.received.is_empty() {
            self.received = body;
        } else {
            self.received.append(&mut body);
        }
        Ok(())
    }

    fn response_headers(&mut self, headers: HttpHeaders, details: Option<&str>) -> Result<(), Status> {
        self.pend(Pending::ResponseHeaders { end_of_stream: headers.end_of_stream });
        self.response = headers.headers.unwrap_or_default();
        let Some(exchange) = &mut self.exchange else {
            // the reply of a filter that stands before the router
            self.over = true;
            return self.answer(Answer::default());
        };
        let head = codec::headers(&self.response);
        let head = Head(&head);
        let end_of_stream = headers.end_of_stream;
        exchange.handle(Input::ResponseHeaders { head, end_of_stream, details }, &*self.parts.sealer);
        Ok(())
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), Status> {
        match &mut self.exchange {
            Some(exchange) => {
                exchange.handle(input, &*self.parts.sealer);
                Ok(())
            }
            None => Err(self.out_of_order()),
        }
    }

    fn is_answering(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::is_answering)
    }

    fn pend(&mut self, pending: Pending) {
        self.pending = pending;
        self.since = Instant::now();
    }

    fn out_of_order(&self) -> Status {
        Status::invalid_argument(format!("this message does not belong here (pending: {:?})", self.pending))
    }

    /// The stream ends with this error.
    pub(super) fn fail(&mut self, status: &Status) {
        if status.code() != Code::Cancelled {
            tracing::warn!(code = ?status.code(), error = status.message(), "an exchange has failed");
            self.outcome = Outcome::Failed;
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.parts.metrics.stream_closed(self.outcome);
    }
}

/// A message that could not be read: most often Envoy has gone, which is how it ends streams.
fn unread(status: Status) -> Status {
    // larger than the limit
    if matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) {
        return status;
    }
    Status::cancelled("the stream was closed")
}
