//! The response: its head, and its body where that may have to change.

use super::{Exchange, Phase, parsed};
use crate::{
    exchange::{
        Answer, BodyMode, BodyModes, Head, ReplayOutcome, Rewriter, Rewritten, Step, Tokens, call::Call,
        may_change,
    },
    mcp::{Kind, Rejection, Response, header},
};

impl Exchange {
    pub(super) fn response_headers(&mut self, mut call: Box<Call>, head: Head<'_>, end_of_stream: bool) {
        let status = head.text(":status").and_then(|status| status.parse().ok());
        match (status, &call.need) {
            // clients follow redirects, and would hand their session id to whomever it names
            (Some(status @ 300..=399), _) => {
                let server = call.server.name.to_string();
                self.respond(&Rejection::ServerRedirected { server, status }, parsed(call.id.as_deref()));
            }
            (Some(400 | 404), Some(need)) if !need.opens => self.pointless(&call),
            (Some(status @ (400 | 404)), Some(need)) => {
                self.steps.push_back(Step::Replay(need.clone(), status));
                self.phase = Phase::Replay(call);
            }
            (Some(_) | None, _) => {
                let may_change =
                    call.may_change.take().filter(|_| !end_of_stream && may_change::is_plain(head));
                let content_type = head.first("content-type").unwrap_or_default();
                match may_change.and_then(|it| it.begin(content_type)) {
                    Some(rewriter) => self.rewrite(rewriter),
                    None => self.answer_and_end(without_session_id()),
                }
            }
        }
    }

    /// Asks for the body, whose length is not known any more.
    fn rewrite(&mut self, rewriter: Rewriter) {
        let mut answer = without_session_id();
        answer.mutation.remove.push("content-length".into());
        answer.modes = Some(BodyModes {
            request_body: BodyMode::Buffered,
            response_headers: true,
            response_body: BodyMode::FullDuplex,
        });
        self.answer(answer);
        self.phase = Phase::Answer(Some(Box::new(rewriter)));
    }

    pub(super) fn response_body(
        &mut self,
        rewriter: Option<Box<Rewriter>>,
        body: &[u8],
        last: bool,
        tokens: &impl Tokens,
    ) {
        let Some(mut rewriter) = rewriter else {
            self.steps.push_back(Step::Piece { body: body.to_vec(), last });
            return if last { self.end() } else { self.phase = Phase::Answer(None) };
        };
        self.pieces(&mut rewriter, body, last, last, tokens);
        if last {
            self.end();
        } else {
            self.phase = Phase::Answer(Some(rewriter));
        }
    }

    pub(super) fn response_trailers(&mut self, rewriter: Option<Box<Rewriter>>, tokens: &impl Tokens) {
        if let Some(mut rewriter) = rewriter {
            self.pieces(&mut rewriter, b"", true, false, tokens);
        }
        self.answer_and_end(Answer::default());
    }

    /// Passes on what there is to pass on. `end` of the body, `last` of the stream: trailers may follow.
    fn pieces(&mut self, rewriter: &mut Rewriter, piece: &[u8], end: bool, last: bool, tokens: &impl Tokens) {
        let Rewritten { body, refused } = rewriter.piece(piece, end, tokens);
        if last || !body.is_empty() {
            self.steps.push_back(Step::Piece { body, last });
        }
        if !refused.is_empty() {
            self.steps.push_back(Step::Reply(refused));
        }
        // at once: the client may close the stream when it has its answer
        let over = rewriter.take_over();
        if !over.is_empty() {
            self.steps.push_back(Step::Settle(over));
        }
    }

    pub(super) fn replayed(&mut self, call: Call, outcome: ReplayOutcome) {
        match outcome {
            ReplayOutcome::NotNeeded => self.answer_and_end(without_session_id()),
            ReplayOutcome::Failed(rejection) => self.respond(&rejection, parsed(call.id.as_deref())),
            ReplayOutcome::Answered { content_type } => {
                let content_type = content_type.as_deref().unwrap_or_default();
                let rewriter = call.may_change.and_then(|it| it.begin(content_type.as_bytes()));
                self.phase = Phase::Answer(rewriter.map(Box::new));
            }
        }
    }

    /// The server has no session in which an answer or a notification means anything.
    pub(super) fn pointless(&mut self, call: &Call) {
        match call.kind {
            Kind::Result | Kind::Error | Kind::Request => self.respond(&Rejection::UnknownAnswer, None),
            Kind::Notification => {
                self.steps.push_back(Step::Respond(Response::empty(202), "nothing to notify"));
                self.end();
            }
        }
    }
}

/// A server's session id stays on this side.
fn without_session_id() -> Answer {
    let mut answer = Answer::default();
    answer.mutation.remove.push(header::SESSION_ID.into());
    answer
}
