//! What a conversation does for its exchange: answers, refusals, lookups, pieces.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use super::{Call, Conversation, relay::MAX_REPLAYED_CALL};
use crate::{
    exchange::{Answer, BodyMode, Input, SessionId, SessionNeed, SessionOutcome, Step},
    ext_proc::{
        codec::{self, Pending},
        errands::{self, Peer},
        session::{self, Session},
    },
    mcp::{Rejection, Response, header},
    telemetry::{Outcome, Phase},
};

impl Conversation {
    pub(super) async fn take(&mut self, step: Step) -> Result<(), Status> {
        match step {
            Step::Answer(answer) => self.answer(answer),
            Step::Respond(response, reason) => {
                self.respond(response, reason);
                Ok(())
            }
            Step::Session(need) => self.find_session(need).await,
            Step::Replay(need, status) => self.replay(need, status),
            Step::Running(session, request) => Box::pin(self.find_running(session, &request)).await,
            Step::Piece { body, last } => {
                self.parts.metrics.answered(Phase::ResponseBody, self.since.elapsed());
                self.out.extend(codec::response_pieces(body, last));
                Ok(())
            }
            Step::Reply(messages) => {
                if let Some(peer) = &self.peer {
                    errands::reply(&self.parts, peer, &self.request, messages);
                }
                Ok(())
            }
            Step::Settle(aliases) => {
                if let Some(peer) = &self.peer {
                    errands::settle(&self.parts, peer, self.session.as_ref(), aliases);
                }
                Ok(())
            }
            Step::End if self.pending != Pending::Nothing => Err(self.out_of_order()),
            Step::End => {
                self.over = true;
                Ok(())
            }
        }
    }

    pub(super) fn answer(&mut self, answer: Answer) -> Result<(), Status> {
        self.outcome = outcome(&answer, self.outcome);
        let received = self.received.take();
        self.answered();
        codec::answer(self.pending, &answer, &received, &mut self.out)
            .map_err(|unfit| Status::internal(unfit.to_string()))?;
        if self.session.is_some() && answer.edits.len(&received) <= MAX_REPLAYED_CALL {
            self.call = Some(Call { body: kept(received), edits: answer.edits });
        }
        self.pending = Pending::Nothing;
        Ok(())
    }

    pub(super) fn refuse(&mut self, rejection: &Rejection) {
        self.respond(rejection.response(None), rejection.reason());
        self.over = true;
    }

    fn respond(&mut self, response: Response, reason: &'static str) {
        self.answered();
        self.outcome = Outcome::Refused;
        self.parts.metrics.refused(reason);
        self.out.push_back(codec::immediate(response, reason));
        self.pending = Pending::Nothing;
    }

    pub(super) fn answered(&self) {
        let phase = match self.pending {
            Pending::Nothing => return,
            Pending::RequestHeaders { .. } => Phase::RequestHeaders,
            Pending::RequestBody
            | Pending::Held { .. }
            | Pending::Piece { .. }
            | Pending::RequestTrailers => Phase::RequestBody,
            Pending::ResponseHeaders { .. } => Phase::ResponseHeaders,
            Pending::ResponseTrailers => Phase::ResponseBody,
        };
        self.parts.metrics.answered(phase, self.since.elapsed());
    }

    async fn find_session(&mut self, need: SessionNeed) -> Result<(), Status> {
        self.peer = Some(Peer { session: need.session, server: Arc::clone(&need.server) });
        let found = tokio::select! {
            biased;
            found = session::find(&self.parts, &need, &self.request) => found,
            given_up = self.outbound.given_up() => return Err(given_up),
        };
        let outcome = match found {
            Session::Not(outcome) => outcome,
            Session::At(session) => {
                let known = session.id().map(|id| (id.into(), session.revision()));
                self.session = Some(session).filter(|session| session.id().is_some());
                SessionOutcome::Ready(known)
            }
        };
        self.handle(Input::Session(outcome))
    }

    async fn find_running(&mut self, session: SessionId, request: &str) -> Result<(), Status> {
        let running = tokio::select! {
            biased;
            running = self.parts.store.running(session, request) => running,
            given_up = self.outbound.given_up() => return Err(given_up),
        };
        let running = running.unwrap_or_else(|error| {
            self.parts.metrics.store_error();
            tracing::warn!(%error, "a cancellation goes nowhere");
            None
        });
        self.handle(Input::Running(running))
    }
}

/// Bodies up to this size, in bytes, may lie in what the connection has read with others.
const MAX_SHARED: usize = 32 << 10;

/// `bytes`, to be kept for as long as the server takes: a slice would keep all that the connection has read with it.
fn kept(bytes: Bytes) -> Bytes {
    if bytes.len() > MAX_SHARED { bytes } else { Bytes::copy_from_slice(&bytes) }
}

/// What an answer makes of the exchange.
fn outcome(answer: &Answer, before: Outcome) -> Outcome {
    let sets = |name| answer.mutation.set.iter().any(|(set, _)| *set == name);
    let skips_body = answer.modes.is_some_and(|modes| modes.request_body == BodyMode::None);
    if before != Outcome::Abandoned {
        before
    } else if answer.mutation.route_to.is_some() {
        Outcome::Server
    } else if sets(header::X_MCP_ROUTED) {
        Outcome::Broker
    } else if skips_body {
        Outcome::Untouched
    } else {
        before
    }
}
