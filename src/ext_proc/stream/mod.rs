//! One gRPC stream, which is one HTTP exchange: messages in, answers out, waits in between.

mod relay;
mod steps;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Code, Status};

use self::relay::Relay;
use super::{
    Parts,
    codec::{Body, Event, Headers, Malformed, Message, Pending, Reply},
    errands::Peer,
    grpc::{Inbound, Outbound},
};
use crate::{
    exchange::{Answer, BodyMode, Exchange, Head, Input},
    mcp::{Edits, Rejection},
    sessions::ServerSession,
    telemetry::Outcome,
};

/// Longest time that a body may take to arrive in pieces (`FULL_DUPLEX_STREAMED`, where Envoy has no timeout).
pub const DUPLEX_DEADLINE: Duration = Duration::from_mins(1);

/// How long an answer on which nothing comes goes on with the state that it has begun with.
const RENEWAL: Duration = Duration::from_secs(30);

/// The state of one stream. Dropping it, at any point, cancels what it waits for.
pub(super) struct Conversation {
    parts: Arc<Parts>,
    inbound: Inbound,
    outbound: Outbound,
    /// Absent until the request's headers have come.
    exchange: Option<Exchange>,
    body_mode: BodyMode,
    pending: Pending,
    /// When the pending message came.
    since: Instant,
    out: VecDeque<Reply>,
    over: bool,
    /// The request's header fields, as they came (`HeaderMap`).
    request: Bytes,
    /// What of the request's body has come and is not answered.
    received: Received,
    /// The call as it went to the server, where it may have to be made again.
    call: Option<Call>,
    /// Whom the message goes to, in which gateway session.
    peer: Option<Peer>,
    /// The server session that the call was sent in.
    session: Option<ServerSession>,
    /// The response's header fields, as they came, while Envoy waits for their answer.
    response: Bytes,
    /// Another answer that is on its way to the client.
    relay: Option<Relay>,
    outcome: Outcome,
}

impl Conversation {
    pub(super) fn new(parts: Arc<Parts>, inbound: Inbound, outbound: Outbound) -> Self {
        parts.metrics.stream_opened();
        Self {
            parts,
            inbound,
            outbound,
            exchange: None,
            body_mode: BodyMode::None,
            pending: Pending::Nothing,
            since: Instant::now(),
            out: VecDeque::with_capacity(2),
            over: false,
            request: Bytes::new(),
            received: Received::default(),
            call: None,
            peer: None,
            session: None,
            response: Bytes::new(),
            relay: None,
            outcome: Outcome::Abandoned,
        }
    }

    /// Answers Envoy until nothing more is to be said, and ends the stream.
    pub(super) async fn run(mut self) {
        let status = match self.converse().await {
            Ok(()) => Status::ok(""),
            Err(status) => {
                self.fail(&status);
                status
            }
        };
        self.outbound.end(&status);
    }

    async fn converse(&mut self) -> Result<(), Status> {
        loop {
            if let Some(reply) = self.out.pop_front() {
                self.outbound.message(reply.into_pieces()).await?;
            } else if let Some(relay) = self.relay.take() {
                Box::pin(self.relay(relay)).await?;
            } else if self.over {
                return Ok(());
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
            match timeout_at(self.since + self.parts.duplex_deadline, self.inbound.message()).await {
                Ok(message) => message?,
                Err(_elapsed) => {
                    self.refuse(&Rejection::BodyTooSlow { limit: self.parts.duplex_deadline.as_secs() });
                    return Ok(());
                }
            }
        } else {
            self.inbound_message().await?
        };
        match message {
            Some(message) => self.message(&message),
            // an OK now would let the request go on without its body
            None if is_collecting => Err(Status::cancelled("the body has not come to its end")),
            None => {
                self.over = true;
                Ok(())
            }
        }
    }

    /// Waits for what Envoy sends next. However long it takes, no old state is kept alive.
    async fn inbound_message(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            self.renew();
            if let Ok(message) = timeout(RENEWAL, self.inbound.message()).await {
                return message;
            }
        }
    }

    fn renew(&mut self) {
        if let (Some(exchange), Some(snapshot)) = (&mut self.exchange, self.parts.routes.load()) {
            exchange.renew(&snapshot);
        }
    }

    fn message(&mut self, bytes: &Bytes) -> Result<(), Status> {
        let message = Message::read(bytes).map_err(unread)?;
        let event = message.event.ok_or_else(|| Status::invalid_argument("a message without a request"))?;
        match event {
            Event::RequestHeaders(headers) => self.request_headers(headers, &message),
            Event::RequestBody(body) => self.request_body(body, bytes),
            Event::RequestTrailers => {
                self.pend(Pending::RequestTrailers);
                self.handle(Input::RequestTrailers)
            }
            Event::ResponseHeaders(headers) => self.response_headers(headers, &message),
            Event::ResponseBody(body) if self.is_answering() => {
                self.since = Instant::now();
                self.handle(Input::ResponseBody { body: body.bytes, end_of_stream: body.end_of_stream })
            }
            Event::ResponseTrailers if self.is_answering() => {
                self.pend(Pending::ResponseTrailers);
                self.handle(Input::ResponseTrailers)
            }
            Event::ResponseBody(_) | Event::ResponseTrailers => Err(self.out_of_order()),
        }
    }

    fn request_headers(&mut self, headers: Headers<'_>, message: &Message<'_>) -> Result<(), Status> {
        if self.exchange.is_some() {
            return Err(self.out_of_order());
        }
        let end_of_stream = headers.end_of_stream;
        self.pend(Pending::RequestHeaders { end_of_stream });
        let Some(snapshot) = self.parts.routes.load() else {
            self.refuse(&Rejection::NotReady);
            return Ok(());
        };
        let body_mode = message.body_mode().map_err(unread)?;
        let virtual_server = message.virtual_server().map_err(unread)?;
        self.body_mode = body_mode;
        // a slice would keep all that the connection has read with it
        self.request = Bytes::copy_from_slice(headers.map());
        let mut exchange = Exchange::new(snapshot);
        let head = headers.fields().map_err(unread)?;
        let head = Head(&head);
        let input = Input::RequestHeaders { head, end_of_stream, body_mode, virtual_server };
        exchange.handle(input, &*self.parts.sealer);
        self.exchange = Some(exchange);
        Ok(())
    }

    fn request_body(&mut self, body: Body<'_>, message: &Bytes) -> Result<(), Status> {
        let Body { bytes, end_of_stream } = body;
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
        self.handle(Input::RequestBody { body: bytes, end_of_stream })?;
        self.received.push(message.slice_ref(bytes));
        Ok(())
    }

    fn response_headers(&mut self, headers: Headers<'_>, message: &Message<'_>) -> Result<(), Status> {
        let end_of_stream = headers.end_of_stream;
        self.pend(Pending::ResponseHeaders { end_of_stream });
        let Some(exchange) = &mut self.exchange else {
            // the reply of a filter that stands before the router
            self.over = true;
            return self.answer(Answer::default());
        };
        let details = message.details().map_err(unread)?;
        let head = headers.fields().map_err(unread)?;
        let head = Head(&head);
        exchange.handle(Input::ResponseHeaders { head, end_of_stream, details }, &*self.parts.sealer);
        if exchange.is_replaying() {
            self.response = Bytes::copy_from_slice(headers.map());
        }
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

/// A call, and how its body was edited.
struct Call {
    body: Bytes,
    edits: Edits,
}

/// What has come of a body.
#[derive(Debug, Default)]
struct Received {
    first: Bytes,
    /// All of it, where it comes in pieces.
    joined: BytesMut,
}

impl Received {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() && self.joined.is_empty() {
            self.first = piece;
        } else {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
            self.joined.extend_from_slice(&piece);
        }
    }

    fn take(&mut self) -> Bytes {
        if self.joined.is_empty() { std::mem::take(&mut self.first) } else { self.joined.split().freeze() }
    }
}

fn unread(malformed: Malformed) -> Status {
    Status::internal(malformed.to_string())
}
