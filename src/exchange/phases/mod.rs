//! The state of one exchange, and what happens in each phase.

mod request;
mod response;

use std::{collections::VecDeque, sync::Arc};

use super::{
    Answer, BodyMode, Input, Rewriter, Step, Tokens, call::Call, head::Incoming, may_change::MayChange,
    probe::Probe,
};
use crate::{
    mcp::{Id, Rejection},
    routing::Snapshot,
};

/// One HTTP request and its response. Feed it with [`Exchange::handle`], then take its steps with
/// [`Exchange::poll`] until there are none.
#[derive(Debug)]
pub struct Exchange {
    snapshot: Arc<Snapshot>,
    phase: Phase,
    /// What to do next, in order: a few at most.
    steps: VecDeque<Step>,
    body_mode: BodyMode,
    /// Present where the request is one.
    probe: Option<Probe>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for the request headers.
    Start,
    /// Not ours: pieces of a duplex body go back as they come.
    Passing,
    /// Waits for the body of a message.
    Body(Box<Incoming>),
    /// Waits for which server runs the request that the client cancels.
    Running(Box<Cancelling>),
    /// Waits for the server session of a message.
    Session(Box<Call>),
    /// Waits for the server's answer.
    Response(Box<Call>),
    /// Waits for the outcome of a replay.
    Replay(Box<Call>),
    /// The answer's body goes to the client piece by piece, rewritten where there is what rewrites it.
    Answer(Option<Box<Rewriter>>),
    /// Waits for whatever answers a probe.
    Probed,
    Over,
}

/// A `notifications/cancelled` whose server is looked up.
#[derive(Debug)]
struct Cancelling {
    incoming: Incoming,
    body: Vec<u8>,
}

impl Exchange {
    /// An exchange that is decided by `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let (steps, body_mode) = (VecDeque::with_capacity(2), BodyMode::None);
        Self { snapshot, phase: Phase::Start, steps, body_mode, probe: None }
    }

    /// Takes what happened. Inputs that do not fit the phase end the exchange without an answer, which the
    /// attachment must report as an error.
    pub fn handle(&mut self, input: Input<'_>, tokens: &impl Tokens) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        match (phase, input) {
            (Phase::Start, Input::RequestHeaders { head, end_of_stream, body_mode, virtual_server }) => {
                self.body_mode = body_mode;
                match self.request_headers(head, end_of_stream, virtual_server, tokens) {
                    Ok(()) => {}
                    Err(rejection) => self.respond(&rejection, None),
                }
            }
            (Phase::Passing, Input::RequestBody { end_of_stream, .. }) => {
                self.answer(Answer::default());
                if end_of_stream { self.end_of_request() } else { self.phase = Phase::Passing }
            }
            (Phase::Body(incoming), Input::RequestBody { body, end_of_stream }) => {
                self.request_body(incoming, body, end_of_stream, tokens);
            }
            // behind a route with retries Envoy (1.40) would send the body twice after them
            (Phase::Body(_), Input::RequestTrailers) => self.respond(&Rejection::Trailers, None),
            (Phase::Running(cancelling), Input::Running(server)) => {
                self.cancel(&cancelling, server.as_deref(), tokens);
            }
            (Phase::Session(call), Input::Session(outcome)) => self.session(call, outcome),
            (Phase::Response(call), Input::ResponseHeaders { head, end_of_stream, .. }) => {
                self.response_headers(call, head, end_of_stream);
            }
            (Phase::Replay(call), Input::Replay(outcome)) => self.replayed(*call, outcome),
            (Phase::Answer(rewriter), Input::ResponseBody { body, end_of_stream }) => {
                self.response_body(rewriter, body, end_of_stream, tokens);
            }
            (Phase::Answer(rewriter), Input::ResponseTrailers) => self.response_trailers(rewriter, tokens),
            (Phase::Passing, Input::RequestTrailers) => self.answer_and_end(Answer::default()),
            // Envoy's own replies (413, 408, 503) reach us as response headers in any phase
            (_, Input::ResponseHeaders { head, details, .. }) => {
                let answer = self.probe.as_ref().map(|probe| probe.answered(head, details));
                self.answer_and_end(answer.unwrap_or_default());
            }
            (
                _,
                Input::RequestHeaders { .. }
                | Input::RequestBody { .. }
                | Input::RequestTrailers
                | Input::ResponseBody { .. }
                | Input::ResponseTrailers
                | Input::Running(_)
                | Input::Session(_)
                | Input::Replay(_),
            ) => {}
        }
    }

    /// From now on the answer is rewritten by `snapshot`: one that takes hours must not keep an old state alive.
    pub fn renew(&mut self, snapshot: &Arc<Snapshot>) {
        let origin = match &mut self.phase {
            Phase::Response(call) | Phase::Replay(call) => call.may_change.as_mut().map(MayChange::origin),
            Phase::Answer(rewriter) => rewriter.as_mut().map(|rewriter| rewriter.origin()),
            Phase::Probed | Phase::Over => None,
            // not decided yet
            Phase::Start | Phase::Passing | Phase::Body(_) | Phase::Running(_) | Phase::Session(_) => return,
        };
        self.snapshot = Arc::clone(snapshot);
        if let Some(origin) = origin {
            origin.snapshot = Arc::clone(snapshot);
        }
    }

    /// The next thing to do; `None`: wait for the next input.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether the response's body is waited for.
    pub fn is_answering(&self) -> bool {
        matches!(self.phase, Phase::Answer(_))
    }

    /// Whether the outcome of a replay is waited for.
    pub fn is_replaying(&self) -> bool {
        matches!(self.phase, Phase::Replay(_))
    }

    fn answer(&mut self, answer: Answer) {
        self.steps.push_back(Step::Answer(answer));
    }

    fn answer_and_end(&mut self, answer: Answer) {
        self.answer(answer);
        self.end();
    }

    fn respond(&mut self, rejection: &Rejection, id: Option<Id<'_>>) {
        let mut response = rejection.response(id);
        response.headers.extend(self.probe.as_ref().map(|probe| probe.refused(rejection)));
        self.steps.push_back(Step::Respond(response, rejection.reason()));
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
        self.steps.push_back(Step::End);
    }
}

fn parsed(id: Option<&str>) -> Option<Id<'_>> {
    id.and_then(Id::parse)
}
