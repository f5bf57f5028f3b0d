//! One tool call as Envoy tells it: head, body, the server session, the head of the answer.

#![allow(clippy::panic, reason = "a benchmark ends at what it cannot do")]

use std::{hint::black_box, sync::Arc};

use mcp_gateway::{
    exchange::{BodyMode, Exchange, Head, Header, Input, SessionOutcome, Step, Tokens},
    mcp::Revision,
};

use super::gateway::{Gateway, HOST};

/// What a client of today sends through Envoy.
const FIELDS: [(&str, &str); 16] = [
    (":authority", HOST),
    (":path", "/mcp"),
    (":method", "POST"),
    (":scheme", "https"),
    ("accept", "application/json, text/event-stream"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "*"),
    ("content-type", "application/json"),
    ("content-length", "300"),
    ("mcp-protocol-version", "2025-11-25"),
    ("mcp-session-id", ""),
    ("sec-fetch-mode", "cors"),
    ("user-agent", "node"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "3b9f2c6e-52d5-4c80-9d0c-3f0c5f8f6a11"),
];

const ANSWER: [(&str, &str); 5] = [
    (":status", "200"),
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("mcp-session-id", "8d0f1b1e-5a0c-4c6d-8f3e-0b7c2a9d4e61"),
    ("x-envoy-upstream-service-time", "3"),
];

pub(super) struct Call {
    gateway: Gateway,
    session: String,
    body: Vec<u8>,
    /// What goes to the server; kept, as an attachment keeps its buffer.
    sent: Vec<u8>,
}

impl Call {
    pub(super) fn new(gateway: Gateway, body: Vec<u8>) -> Self {
        let sent = Vec::with_capacity(body.len());
        Self { gateway, session: "s".to_owned(), body, sent }
    }

    /// Sends this gateway session id.
    pub(super) fn session(&mut self, token: String) {
        self.session = token;
    }

    pub(super) fn run(&mut self, tokens: &impl Tokens) {
        let mut exchange = Exchange::new(Arc::clone(&self.gateway.snapshot));
        let fields = FIELDS.map(|(name, value)| Header { name, value: value.as_bytes() });
        let fields = fields.map(|field| match field.name {
            "mcp-session-id" => Header { value: self.session.as_bytes(), ..field },
            _ => field,
        });
        let (head, body_mode) = (Head(&fields), BodyMode::Buffered);
        exchange.handle(
            Input::RequestHeaders { head, end_of_stream: false, body_mode, virtual_server: None },
            tokens,
        );
        self.take_steps(&mut exchange, tokens);
        exchange.handle(Input::RequestBody { body: black_box(&self.body), end_of_stream: true }, tokens);
        self.take_steps(&mut exchange, tokens);
        let fields = ANSWER.map(|(name, value)| Header { name, value: value.as_bytes() });
        let head = Head(&fields);
        exchange.handle(Input::ResponseHeaders { head, end_of_stream: false, details: None }, tokens);
        self.take_steps(&mut exchange, tokens);
    }

    fn take_steps(&mut self, exchange: &mut Exchange, tokens: &impl Tokens) {
        while let Some(step) = exchange.poll() {
            match &step {
                Step::Answer(answer) => {
                    self.sent.clear();
                    if !answer.edits.is_empty() {
                        answer.edits.pieces(&self.body).for_each(|piece| self.sent.extend_from_slice(piece));
                    }
                }
                Step::Session(_) => {
                    let known = ("8d0f1b1e-5a0c-4c6d-8f3e-0b7c2a9d4e61".into(), Revision::V2025_11_25);
                    exchange.handle(Input::Session(SessionOutcome::Ready(Some(known))), tokens);
                }
                Step::End => {}
                Step::Respond(..)
                | Step::Replay(..)
                | Step::Running(..)
                | Step::Piece { .. }
                | Step::Reply(_)
                | Step::Settle(_) => panic!("the call does not go on"),
            }
            black_box(step);
        }
        black_box(&self.sent);
    }
}
