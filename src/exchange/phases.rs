//! The state of one exchange, and what happens in each phase.

use std::sync::Arc;

use super::{
    Answer, BodyMode, BodyModes, Head, Input, Mutation, ReplayOutcome, SessionOutcome, Step, Tokens, Value,
    call::{self, Call},
    head::Incoming,
    probe::Probe,
};
use crate::{
    mcp::{self, Fault, Id, Rejection, Revision, header},
    routing::{Decision, Host, Request, Snapshot, decide},
};

/// One HTTP request and its response. Feed it with [`Exchange::handle`], then take its steps with
/// [`Exchange::poll`] until there are none.
#[derive(Debug)]
pub struct Exchange {
    snapshot: Arc<Snapshot>,
    phase: Phase,
    /// What to do next, in order: at most an answer and the end.
    next: Option<Step>,
    ended: bool,
    /// Present where the request is one.
    probe: Option<Probe>,
}

/// Longest method that policies are told of, in bytes.
const MAX_METHOD: usize = 256;

#[derive(Debug)]
enum Phase {
    /// Waits for the request headers.
    Start,
    /// Not ours: pieces of a duplex body go back as they come.
    Passing,
    /// Waits for the body of a message.
    Body(Box<Incoming>),
    /// Waits for the server session of a call.
    Session(Box<Call>),
    /// Waits for the server's answer to a call made in a server session.
    Response(Box<Call>),
    /// Waits for the outcome of a replay.
    Replay(Option<Box<str>>),
    /// Waits for whatever answers a probe.
    Probed,
    Over,
}

impl Exchange {
    /// An exchange that is decided by `snapshot` from beginning to end.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, phase: Phase::Start, next: None, ended: false, probe: None }
    }

    /// Takes what happened. Inputs that do not fit the phase end the exchange without an answer, which the
    /// attachment must report as an error.
    pub fn handle(&mut self, input: Input<'_>, tokens: &impl Tokens) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        match (phase, input) {
            (Phase::Start, Input::RequestHeaders { head, end_of_stream, body_mode, virtual_server }) => {
                match self.request_headers(head, end_of_stream, body_mode, virtual_server, tokens) {
                    Ok(()) => {}
                    Err(rejection) => self.respond(&rejection, None),
                }
            }
            (Phase::Passing, Input::RequestBody { body, end_of_stream }) => {
                self.answer(Answer { body: Some(body.to_vec()), ..Answer::default() });
                if end_of_stream { self.end_of_request() } else { self.phase = Phase::Passing }
            }
            (Phase::Body(incoming), Input::RequestBody { body, end_of_stream }) => {
                self.request_body(incoming, body, end_of_stream, tokens);
            }
            // behind a route with retries Envoy (1.40) would send the body twice after them
            (Phase::Body(_), Input::RequestTrailers) => self.respond(&Rejection::Trailers, None),
            (Phase::Session(call), Input::Session(outcome)) => self.session(call, outcome),
            (Phase::Response(call), Input::ResponseHeaders { head, .. }) => {
                self.response_headers(*call, head);
            }
            (Phase::Replay(_), Input::Replay(ReplayOutcome::NotNeeded)) => {
                self.answer_and_end(without_session_id());
            }
            (Phase::Replay(_), Input::Replay(ReplayOutcome::Answered)) => self.end(),
            (Phase::Replay(id), Input::Replay(ReplayOutcome::Failed(rejection))) => {
                self.respond(&rejection, parsed(id.as_deref()));
            }
            (Phase::Passing, Input::RequestTrailers) => self.answer_and_end(Answer::default()),
            // Envoy's own replies (413, 408, 503) reach us as response headers in any phase
            (_, Input::ResponseHeaders { head, details }) => {
                let answer = self.probe.as_ref().map(|probe| probe.answered(head, details));
                self.answer_and_end(answer.unwrap_or_default());
            }
            (
                _,
                Input::RequestHeaders { .. }
                | Input::RequestBody { .. }
                | Input::RequestTrailers
                | Input::Session(_)
                | Input::Replay(_),
            ) => {}
        }
    }

    /// The next thing to do; `None`: wait for the next input.
    pub fn poll(&mut self) -> Option<Step> {
        if let Some(step) = self.next.take() {
            return Some(step);
        }
        std::mem::take(&mut self.ended).then_some(Step::End)
    }

    fn request_headers(
        &mut self,
        head: Head<'_>,
        end_of_stream: bool,
        body_mode: BodyMode,
        virtual_server: Option<&str>,
        tokens: &impl Tokens,
    ) -> Result<(), Rejection> {
        let snapshot = Arc::clone(&self.snapshot);
        let host = snapshot.host(head.text(":authority").unwrap_or_default());
        if matches!(host, Host::Other) {
            self.pass(Mutation::default(), end_of_stream, body_mode);
            return Ok(());
        }
        self.probe = Probe::read(head, tokens);
        if matches!(host, Host::Server(_)) {
            return Err(Rejection::NotThisHost);
        }
        if let Some(token) = head.first(header::X_MCP_HAIRPIN) {
            let answer = call::hairpin(&snapshot, head, tokens.open_hairpin(token), self.probe.is_some())
                .ok_or(Rejection::HairpinRefused)?;
            self.pass(answer, end_of_stream, body_mode);
            return Ok(());
        }
        let incoming = Incoming::read(&snapshot, head, body_mode, virtual_server, tokens)?;
        if !incoming.is_message() || end_of_stream {
            if incoming.is_message() {
                return Err(Rejection::Malformed { fault: Fault::Empty, at: 0 });
            }
            let mutation = incoming.to_broker(tokens, self.probe.as_ref());
            self.pass(mutation, end_of_stream, body_mode);
            return Ok(());
        }
        if body_mode != BodyMode::FullDuplex {
            let remove = incoming.internal.iter().cloned().map(Into::into).collect();
            // asked for here and not by default, so that responses of other applications, and Envoy's own replies,
            // never wait for us
            let modes = Some(BodyModes { request_body: BodyMode::Buffered, response_headers: true });
            self.answer(Answer { mutation: Mutation { remove, ..Mutation::default() }, body: None, modes });
        }
        self.phase = Phase::Body(Box::new(incoming));
        Ok(())
    }

    /// Answers the request headers and lets the body by without a look.
    fn pass(&mut self, mutation: Mutation, end_of_stream: bool, body_mode: BodyMode) {
        let response_headers = self.probe.is_some();
        let modes = Some(BodyModes { request_body: BodyMode::None, response_headers });
        self.answer(Answer { mutation, body: None, modes });
        if body_mode == BodyMode::FullDuplex && !end_of_stream {
            self.phase = Phase::Passing;
        } else {
            self.end_of_request();
        }
    }

    fn request_body(
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
        if incoming.body_mode != BodyMode::FullDuplex {
            return self.message(&incoming, body, tokens);
        }
        incoming.duplex_body.extend_from_slice(body);
        if end_of_stream {
            self.message(&incoming, &incoming.duplex_body, tokens);
        } else {
            self.phase = Phase::Body(incoming);
        }
    }

    /// The whole message is there: decide.
    fn message(&mut self, incoming: &Incoming, body: &[u8], tokens: &impl Tokens) {
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
            has_session: matches!(incoming.session, Some(Ok(_))),
        };
        match decide(&snapshot, &request) {
            Decision::Reject(rejection) => self.respond(&rejection, id),
            Decision::Broker => {
                let mut mutation = incoming.to_broker(tokens, self.probe.as_ref());
                // a longer one is no method, and no header could carry it
                if let Some(method) =
                    message.method.as_ref().filter(|method| method.value.len() <= MAX_METHOD)
                {
                    mutation.set.push((header::X_MCP_METHOD, Value::text(header::value(&method.value))));
                }
                self.answer(Answer { mutation, ..Answer::default() });
                self.end_of_request();
            }
            Decision::Call(tool) => self.call(Call::new(incoming, tool, &message, body)),
        }
    }

    fn call(&mut self, call: Result<Call, Rejection>) {
        match call {
            Err(rejection) => self.respond(&rejection, None),
            Ok(call) => match call.need.clone() {
                Some(need) => {
                    self.next = Some(Step::Session(need));
                    self.phase = Phase::Session(Box::new(call));
                }
                None => self.send(Box::new(call), None),
            },
        }
    }

    fn session(&mut self, call: Box<Call>, outcome: SessionOutcome) {
        let server = call.tool.server.name.to_string();
        let rejection = match outcome {
            SessionOutcome::Ready(session) => return self.send(call, session.as_ref()),
            SessionOutcome::Revoked => Rejection::UnknownSession,
            SessionOutcome::StoreUnavailable => Rejection::StoreUnavailable,
            SessionOutcome::Refused { status } => Rejection::ServerRefusedSession { server, status },
            SessionOutcome::Unavailable => Rejection::ServerUnavailable { server },
        };
        self.respond(&rejection, parsed(call.id.as_deref()));
    }

    fn send(&mut self, mut call: Box<Call>, session: Option<&(Box<str>, Revision)>) {
        let answer = call.answer(session);
        self.answer(answer);
        call.need.take_if(|_| session.is_none());
        self.phase = Phase::Response(call);
    }

    fn response_headers(&mut self, call: Call, head: Head<'_>) {
        let status = head.text(":status").and_then(|status| status.parse().ok());
        match (status, call.need) {
            // clients follow redirects, and would hand their session id to whomever it names
            (Some(status @ 300..=399), _) => {
                let server = call.tool.server.name.to_string();
                self.respond(&Rejection::ServerRedirected { server, status }, parsed(call.id.as_deref()));
            }
            (Some(status @ (400 | 404)), Some(need)) => {
                self.next = Some(Step::Replay(need, status));
                self.phase = Phase::Replay(call.id);
            }
            (Some(_) | None, _) => self.answer_and_end(without_session_id()),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.next = Some(Step::Answer(answer));
    }

    fn answer_and_end(&mut self, answer: Answer) {
        self.answer(answer);
        self.end();
    }

    fn respond(&mut self, rejection: &Rejection, id: Option<Id<'_>>) {
        let mut response = rejection.response(id);
        response.headers.extend(self.probe.as_ref().map(|probe| probe.refused(rejection)));
        self.next = Some(Step::Respond(response, rejection.reason()));
        self.end();
    }

    /// Only the response to a probe is of interest.
    fn end_of_request(&mut self) {
        if self.probe.is_some() {
            self.phase = Phase::Probed;
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
    }
}

fn parsed(id: Option<&str>) -> Option<Id<'_>> {
    id.and_then(Id::parse)
}

/// A server's session id stays on this side.
fn without_session_id() -> Answer {
    let remove = vec![header::SESSION_ID.into()];
    Answer { mutation: Mutation { remove, ..Mutation::default() }, ..Answer::default() }
}
