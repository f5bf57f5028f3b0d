//! A call whose server session is gone: made again, and the new answer passed on in place of the one Envoy holds.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout, timeout_at};
use tonic::Status;

use super::{Conversation, RENEWAL, unread};
use crate::{
    exchange::{BodyMode, Exchange, Input, ReplayOutcome, SessionNeed, Step},
    ext_proc::{
        codec::{self, Event, Message, Pending},
        grpc::Inbound,
        session::{self, Lost, Replayed, SESSION_DEADLINE, content_type},
    },
    mcp::Rejection,
    telemetry::Outcome,
};

/// Largest call that is kept to be made again in another server session, in bytes.
pub(super) const MAX_REPLAYED_CALL: usize = 1 << 20;

/// When a replay takes longer than this, Envoy is asked to wait for [`REPLAY_DEADLINE`] (`max_message_timeout`
/// must allow it). Shorter than Envoy's `message_timeout`.
const REPLAY_PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for the head of the answer to a replayed call.
const REPLAY_DEADLINE: Duration = Duration::from_secs(55);

/// How far another answer has come.
pub(super) enum Relay {
    /// The call is being made again; `envoy_waits`: it was asked to, up to [`REPLAY_DEADLINE`].
    Calling {
        call: Pin<Box<dyn Future<Output = Replayed> + Send>>,
        envoy_waits: bool,
    },
    /// Envoy is to send a piece of the answer it holds before it takes pieces of another.
    Due(reqwest::Response),
    Running(reqwest::Response),
}

impl Conversation {
    pub(super) fn replay(&mut self, need: SessionNeed, status: u16) -> Result<(), Status> {
        let session = self.session.take().ok_or_else(|| self.out_of_order())?;
        let request = self.request.clone();
        // Envoy takes another body in pieces where it holds one and may still be told how it is to come
        let whole = self.pending != (Pending::ResponseHeaders { end_of_stream: false })
            || self.body_mode == BodyMode::FullDuplex;
        let call = self.call.take().map(|call| call.edits.apply(&call.body).into());
        let lost = Lost { need, status, session, call, request, whole };
        let call = Box::pin(session::replay(Arc::clone(&self.parts), lost));
        self.relay = Some(Relay::Calling { call, envoy_waits: false });
        Ok(())
    }

    /// Goes one step further.
    pub(super) async fn relay(&mut self, relay: Relay) -> Result<(), Status> {
        match relay {
            Relay::Calling { call, envoy_waits } => self.calling(call, envoy_waits).await,
            Relay::Due(answer) => {
                let due = timeout(SESSION_DEADLINE, self.inbound.message()).await;
                let due = due.map_err(|_elapsed| Status::deadline_exceeded("no body has come"))??;
                let due = due.ok_or_else(|| Status::cancelled("the stream has ended"))?;
                let Some(Event::ResponseBody(_)) = Message::read(&due).map_err(unread)?.event else {
                    return Err(self.out_of_order());
                };
                self.relay = Some(Relay::Running(answer));
                Ok(())
            }
            Relay::Running(mut answer) => {
                self.renew();
                let piece = tokio::select! {
                    () = sleep(RENEWAL) => {
                        self.relay = Some(Relay::Running(answer));
                        return Ok(());
                    }
                    piece = answer.chunk() => piece.map_err(|error| broken(&error))?,
                    error = passed_over(&mut self.inbound) => return Err(error),
                };
                let (body, end_of_stream) = (piece.as_deref().unwrap_or_default(), piece.is_none());
                self.handle(Input::ResponseBody { body, end_of_stream })?;
                if !end_of_stream {
                    self.relay = Some(Relay::Running(answer));
                }
                self.steps().await
            }
        }
    }

    async fn calling(
        &mut self,
        mut call: Pin<Box<dyn Future<Output = Replayed> + Send>>,
        envoy_waits: bool,
    ) -> Result<(), Status> {
        let deadline = self.since + if envoy_waits { REPLAY_DEADLINE } else { REPLAY_PATIENCE };
        let replayed = tokio::select! {
            biased;
            replayed = timeout_at(deadline, &mut call) => replayed,
            given_up = self.outbound.given_up() => return Err(given_up),
        };
        let replayed = match replayed {
            Ok(replayed) => replayed,
            Err(_elapsed) if envoy_waits => Replayed::Failed(Rejection::Internal),
            Err(_elapsed) => {
                self.out.push_back(codec::wait(REPLAY_DEADLINE));
                self.relay = Some(Relay::Calling { call, envoy_waits: true });
                return Ok(());
            }
        };
        match replayed {
            Replayed::NotNeeded => self.handle(Input::Replay(ReplayOutcome::NotNeeded)),
            Replayed::Failed(rejection) => self.handle(Input::Replay(ReplayOutcome::Failed(rejection))),
            Replayed::Streaming(answer) => {
                let (status, fields) = (answer.status().as_u16(), session::answered(answer.headers()));
                let old = std::mem::take(&mut self.response);
                let old = codec::header_fields(&old).map_err(unread)?;
                self.out.push_back(codec::replaced_head(status, fields, old.iter().map(|field| field.name)));
                let content_type = content_type(answer.headers());
                self.relay = Some(Relay::Due(answer));
                self.replayed(content_type)
            }
            Replayed::Whole { status, fields, content_type, body } => {
                self.replayed(content_type)?;
                self.handle(Input::ResponseBody { body: &body, end_of_stream: true })?;
                let body = self.whole().await?;
                self.out.push_back(codec::replaced(status, fields, body));
                Ok(())
            }
        }
    }

    /// The client gets another answer instead of the one that Envoy holds.
    fn replayed(&mut self, content_type: Option<Box<str>>) -> Result<(), Status> {
        self.answered();
        self.outcome = Outcome::Replayed;
        self.pending = Pending::Nothing;
        self.handle(Input::Replay(ReplayOutcome::Answered { content_type }))
    }

    /// Takes the steps there are.
    async fn steps(&mut self) -> Result<(), Status> {
        while let Some(step) = self.exchange.as_mut().and_then(Exchange::poll) {
            self.take(step).await?;
        }
        Ok(())
    }

    /// Takes the steps there are, and keeps the pieces of the body.
    async fn whole(&mut self) -> Result<Vec<u8>, Status> {
        let mut whole = Vec::new();
        while let Some(step) = self.exchange.as_mut().and_then(Exchange::poll) {
            match step {
                Step::Piece { mut body, .. } => whole.append(&mut body),
                step @ (Step::Answer(_)
                | Step::Respond(..)
                | Step::Session(_)
                | Step::Replay(..)
                | Step::Running(..)
                | Step::Reply(_)
                | Step::Settle(_)
                | Step::End) => self.take(step).await?,
            }
        }
        Ok(whole)
    }
}

/// Reads whatever Envoy still sends of the old answer, until the stream breaks: left unread, it would fill the window
/// that all exchanges of the connection share.
async fn passed_over(inbound: &mut Inbound) -> Status {
    loop {
        match inbound.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return std::future::pending().await,
            Err(error) => return error,
        }
    }
}

fn broken(error: &reqwest::Error) -> Status {
    tracing::warn!(error = %error, "the answer to a call that was made again broke off");
    Status::unavailable("the server's answer broke off")
}
