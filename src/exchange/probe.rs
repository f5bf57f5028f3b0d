//! A probe: a request of the gateway's own that finds out what answers under a host. See [`Proof`].

use std::borrow::Cow;

use super::{Answer, Head, Mutation, Tokens, Value};
use crate::mcp::{Proof, Rejection, header};

/// A request that is one.
#[derive(Debug)]
pub(super) struct Probe {
    nonce: Box<str>,
    /// Sealed, for the broker to open.
    token: Box<str>,
}

impl Probe {
    /// `None`: the request is none, or says so without right.
    pub(super) fn read(head: Head<'_>, tokens: &impl Tokens) -> Option<Self> {
        let token = head.text(header::X_MCP_PROBE)?;
        Some(Self { nonce: tokens.open_probe(token.as_bytes())?, token: token.into() })
    }

    /// For the broker, which answers a probe with its own word.
    pub(super) fn to_broker(&self) -> (&'static str, Value) {
        (header::X_MCP_PROBE, Value::text(&*self.token))
    }

    /// What the router adds to its refusal.
    pub(super) fn refused(&self, rejection: &Rejection) -> (&'static str, Cow<'static, str>) {
        let details = [Proof::REFUSED, rejection.reason()].concat();
        (header::X_MCP_PROBE, Proof { details: Some(details), broker: None }.write(&self.nonce).into())
    }

    /// What the router adds to the response that has come back. `details`: Envoy's.
    pub(super) fn answered(&self, head: Head<'_>, details: Option<&str>) -> Answer {
        let by_broker = head.text(header::X_MCP_PROBE).and_then(|said| Proof::read(said, &self.nonce));
        let details = Some(details.unwrap_or(Proof::UNKNOWN).to_owned());
        let proof = Proof { details, broker: by_broker.and_then(|proof| proof.broker) };
        let set = vec![(header::X_MCP_PROBE, Value::text(proof.write(&self.nonce)))];
        Answer { mutation: Mutation { set, ..Mutation::default() }, ..Answer::default() }
    }
}
