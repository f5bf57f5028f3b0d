//! What the gateway asks Envoy about itself: does a request come to the router, to the broker, to a server?
//!
//! A question carries no client's header, no credential, and a session id that no server has given: a server that makes a
//! session for every request without an id would keep one for each question.

use std::time::Duration;

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT},
};
use tokio::time::timeout;

use super::hairpin::{BOTH_TYPES, Hairpin, OpenError, insert};
use crate::{
    credentials::new_session_id,
    exchange::HairpinRight,
    mcp::{Proof, header},
    outbound,
};

/// Longest wait for an answer. Envoy needs up to 5 s to find out that it cannot connect.
const DEADLINE: Duration = Duration::from_secs(8);

/// What the router refuses.
const NO_RIGHT: &str = "none";

/// Of no server.
const NO_SESSION: &str = "mcp-gateway-probe";

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// Who answers clients?
    Public,
    /// Is there a router? It refuses this itself.
    Router,
    /// Who answers what the router turns to this server?
    Server(&'a HairpinRight),
    /// Who answers what names this host without coming by the router's decision?
    Guard(&'a str),
}

/// The head of what has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    /// Absent: neither the router nor the broker has seen the request.
    pub proof: Option<Proof>,
    /// `x-envoy-upstream-service-time`, which Envoy sets on what a server has answered, unless it is told not to.
    pub timed: bool,
    /// [`header::X_MCP_GUARD`]: Envoy has refused it, as it is told to where the router has not decided.
    pub guard: bool,
}

impl Hairpin {
    /// Sends a question through Envoy.
    pub async fn ask(&self, question: Question<'_>) -> Result<Answered, OpenError> {
        let nonce = new_session_id().map_err(|error| OpenError::Unreachable(error.to_string()))?;
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce.0));
        let target = self.target();
        let mut fields = HeaderMap::new();
        fields.insert(HOST, target.host.clone());
        fields.insert(USER_AGENT, HeaderValue::from_static(outbound::USER_AGENT));
        fields.insert(ACCEPT, HeaderValue::from_static(BOTH_TYPES));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        insert(&mut fields, header::X_MCP_PROBE, self.sealer().seal_probe(&nonce).as_bytes());
        match question {
            Question::Public => {}
            Question::Router => insert(&mut fields, header::X_MCP_HAIRPIN, NO_RIGHT.as_bytes()),
            Question::Server(right) => {
                insert(&mut fields, header::SESSION_ID, NO_SESSION.as_bytes());
                insert(&mut fields, header::X_MCP_SERVERNAME, right.server.as_bytes());
                insert(&mut fields, header::X_MCP_HAIRPIN, self.sealer().seal_hairpin(right).as_bytes());
            }
            Question::Guard(hostname) => {
                insert(&mut fields, header::SESSION_ID, NO_SESSION.as_bytes());
                insert(&mut fields, HOST.as_str(), hostname.as_bytes());
            }
        }
        let request = target.probes.request(Method::POST, target.url.clone()).headers(fields).body(PING);
        let late = |_elapsed| OpenError::Unreachable(format!("no answer within {} s", DEADLINE.as_secs()));
        let response = timeout(DEADLINE, request.send()).await.map_err(late)?;
        let response = response.map_err(OpenError::unreachable)?;
        let said = response.headers().get(header::X_MCP_PROBE).and_then(|said| said.to_str().ok());
        Ok(Answered {
            status: response.status().as_u16(),
            proof: said.and_then(|said| Proof::read(said, &nonce)),
            timed: response.headers().contains_key("x-envoy-upstream-service-time"),
            guard: response.status() == StatusCode::FORBIDDEN
                && response.headers().contains_key(header::X_MCP_GUARD),
        })
    }
}
