//! The request: its head, its body, and the server session that it goes in.

use std::sync::Arc;

use super::{Cancelling, Exchange, Phase, parsed};
use crate::{
    exchange::{
        Answer, BodyMode, BodyModes, Head, Mutation, SessionOutcome, Step, Tokens, Value,
        call::{self, Call},
        head::Incoming,
        owner::{self, Owned},
        probe::Probe,
    },
    mcp::{self, Edits, Fault, Message, Rejection, Revision, header},
    routing::{Decision, Forward, Host, Request, decide},
};

/// Longest method that policies are told of, in bytes.
const MAX_METHOD: usize = 256;

impl Exchange {
    pub(super) fn request_headers(
        &mut self,
        head: Head<'_>,
        end_of_stream: bool,
        virtual_server: Option<&str>,
        tokens: &impl Tokens,
    ) -> Result<(), Rejection> {
        let (snapshot, body_mode) = (Arc::clone(&self.snapshot), self.body_mode);
        let host = snapshot.host(head.text(":authority").unwrap_or_default());
        if matches!(host, Host::Other) {
            self.pass(Mutation::default(), end_of_stream);
            return Ok(());
        }
        self.probe = Probe::read(head, tokens);
        if matches!(host, Host::Server(_)) {
            return Err(Rejection::NotThisHost);
        }
        if let Some(token) = head.first(header::X_MCP_HAIRPIN) {
            let answer = call::hairpin(&snapshot, head, tokens.open_hairpin(token), self.probe.is_some())
                .ok_or(Rejection::HairpinRefused)?;
            self.pass(answer, end_of_stream);
            return Ok(());
        }
        let incoming = Incoming::read(&snapshot, head, body_mode, virtual_server, tokens)?;
        if !incoming.is_message() || end_of_stream {
            if incoming.is_message() {
                return Err(Rejection::Malformed { fault: Fault::Empty, at: 0 });
            }
            let mutation = incoming.to_broker(tokens, self.probe.as_ref());
            self.pass(mutation, end_of_stream);
            return Ok(());
        }
        if body_mode != BodyMode::FullDuplex {
            let remove = incoming.sent.internal.iter().cloned().map(Into::into).collect();
            // asked for here and not by default, so that responses of other applications, and Envoy's own replies,
            // never wait for us
            let modes = Some(BodyModes {
                request_body: BodyMode::Buffered,
                response_headers: true,
                response_body: BodyMode::None,
            });
            self.answer(Answer {
                mutation: Mutation { remove, ..Mutation::default() },
                edits: Edits::default(),
                modes,
            });
        }
        self.phase = Phase::Body(Box::new(incoming));
        Ok(())
    }

    /// Answers the request headers and lets the body by without a look.
    fn pass(&mut self, mutation: Mutation, end_of_stream: bool) {
        let modes = Some(BodyModes {
            request_body: BodyMode::None,
            response_headers: self.probe.is_some(),
            response_body: BodyMode::None,
        });
        self.answer(Answer { mutation, edits: Edits::default(), modes });
        if self.body_mode == BodyMode::FullDuplex && !end_of_stream {
            self.phase = Phase::Passing;
        } else {
            self.end_of_request();
        }
    }

    pub(super) fn request_body(
        &mut self,
        mut incoming: Box<Incoming>,
        body: &[u8],
        end_of_stream: bool,
        tokens: &impl Tokens,
    ) {
        let limit = self.snapshot.limits().body;
        if incoming.duplex_body.len().saturating_add(body.len()) > limit {
            return self.respond(&Rejection::BodyTooLarge { limit: limit as u64 }, None);
        }
        if self.body_mode != BodyMode::FullDuplex {
            return self.message(*incoming, body, tokens);
        }
        incoming.duplex_body.extend_from_slice(body);
        if end_of_stream {
            let body = std::mem::take(&mut incoming.duplex_body);
            self.message(*incoming, &body, tokens);
        } else {
            self.phase = Phase::Body(incoming);
        }
    }

    /// The whole message is there: decide.
    fn message(&mut self, incoming: Incoming, body: &[u8], tokens: &impl Tokens) {
        let message = match mcp::scan(body) {
            Ok(message) => message,
            Err(error) => {
                let id = error.id;
                return self.respond(&Rejection::from(error), id);
            }
        };
        let id = message.id;
        if let Err(rejection) = incoming.check(&message) {
            return self.respond(&rejection, id);
        }
        let snapshot = Arc::clone(&self.snapshot);
        let scopes = incoming.virtual_servers();
        let request = Request {
            message: &message,
            virtual_servers: &scopes,
            body,
            has_session: matches!(incoming.session, Some(Ok(_))),
        };
        match decide(&snapshot, &request) {
            Decision::Reject(rejection) => self.respond(&rejection, id),
            Decision::Broker => self.hand_to_broker(&incoming, &message, tokens),
            Decision::Forward(forward) => self.forward(&incoming, forward, &message),
            Decision::Answer => match owner::answered(&incoming, &snapshot, &message, body, tokens) {
                Some(owned) => self.own(&incoming, owned, &message),
                None => self.respond(&Rejection::UnknownAnswer, None),
            },
            Decision::Task => match owner::tasked(&incoming, &snapshot, &message, body, tokens) {
                Some(owned) => self.own(&incoming, owned, &message),
                None => self.respond(&Rejection::UnknownTask, id),
            },
            Decision::Progress => match owner::progressing(&incoming, &snapshot, &message, body, tokens) {
                Some(owned) => self.own(&incoming, owned, &message),
                None => self.hand_to_broker(&incoming, &message, tokens),
            },
            Decision::Cancel => match (&incoming.session, message.params.request_id) {
                (Some(Ok(session)), Some(request)) => {
                    self.steps.push_back(Step::Running(session.id, request.as_str().into()));
                    self.phase = Phase::Running(Box::new(Cancelling { incoming, body: body.to_vec() }));
                }
                (Some(Ok(_) | Err(_)) | None, _) => self.hand_to_broker(&incoming, &message, tokens),
            },
        }
    }

    /// To the server that runs the request, if it is known; else to the broker, which takes it and leaves it at that.
    pub(super) fn cancel(&mut self, cancelling: &Cancelling, server: Option<&str>, tokens: &impl Tokens) {
        let Cancelling { incoming, body } = cancelling;
        let Ok(message) = mcp::scan(body) else { return };
        let snapshot = Arc::clone(&self.snapshot);
        match server.and_then(|server| owner::visible(incoming, &snapshot, server)) {
            Some(server) => {
                let forward =
                    Forward { server, item: None, upstream: Arc::default(), edits: Edits::default() };
                self.forward(incoming, forward, &message);
            }
            None => self.hand_to_broker(incoming, &message, tokens),
        }
    }

    fn hand_to_broker(&mut self, incoming: &Incoming, message: &Message<'_>, tokens: &impl Tokens) {
        let mut mutation = incoming.to_broker(tokens, self.probe.as_ref());
        // a longer one is no method, and no header could carry it
        if let Some(method) = message.method.as_ref().filter(|method| method.value.len() <= MAX_METHOD) {
            mutation.set.push((header::X_MCP_METHOD, Value::text(header::value(&method.value))));
        }
        self.answer(Answer { mutation, ..Answer::default() });
        self.end_of_request();
    }

    fn own(&mut self, incoming: &Incoming, owned: Owned<'_>, message: &Message<'_>) {
        let Owned { forward, alias } = owned;
        let mut call = Call::new(incoming, &self.snapshot, forward, message);
        if let Some(need) = call.need.as_mut().filter(|_| message.method.is_none()) {
            need.settles = Some(alias);
        }
        self.call(call);
    }

    fn forward(&mut self, incoming: &Incoming, forward: Forward<'_>, message: &Message<'_>) {
        if message.params.task.is_some() && self.body_mode == BodyMode::FullDuplex {
            return self.respond(&Rejection::TasksNeedBufferedMode, message.id);
        }
        self.call(Call::new(incoming, &self.snapshot, forward, message));
    }

    fn call(&mut self, call: Call) {
        match call.need.clone() {
            Some(need) => {
                self.steps.push_back(Step::Session(need));
                self.phase = Phase::Session(Box::new(call));
            }
            None => self.send(Box::new(call), None),
        }
    }

    pub(super) fn session(&mut self, call: Box<Call>, outcome: SessionOutcome) {
        let server = || call.server.name.to_string();
        let rejection = match outcome {
            SessionOutcome::Ready(session) => return self.send(call, session),
            SessionOutcome::Missing => return self.pointless(&call),
            SessionOutcome::Settled => Rejection::UnknownAnswer,
            SessionOutcome::Revoked => Rejection::UnknownSession,
            SessionOutcome::StoreUnavailable => Rejection::StoreUnavailable,
            SessionOutcome::Refused { status } => {
                Rejection::ServerRefusedSession { server: server(), status }
            }
            SessionOutcome::Unavailable => Rejection::ServerUnavailable { server: server() },
        };
        self.respond(&rejection, parsed(call.id.as_deref()));
    }

    fn send(&mut self, mut call: Box<Call>, session: Option<(Arc<str>, Revision)>) {
        call.need.take_if(|_| session.is_none());
        self.answer(call.answer(session));
        self.phase = Phase::Response(call);
    }
}
