//! One MCP endpoint in front of many MCP servers, on Envoy.
//!
//! The map of the code, in the order a request meets it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`mcp`] | JSON-RPC scanning and splicing, methods, revisions, header names and codec, error replies, SSE; pure |
//! | [`routing`] | `Spec` -> `compile` -> `Snapshot`; `decide(&Snapshot, &Request) -> Decision`; pure |
//! | [`exchange`] | the phases of one HTTP exchange as Envoy sees it: inputs and steps in our own terms; pure |
//! | [`ext_proc`] | exchange <-> Envoy's external processing protocol, over gRPC |
//! | [`broker`] | the MCP server that answers for all servers, and the connections that discover them |
//! | `outbound` | the gateway's own HTTP requests: their name, and answers that are read up to a limit |
//! | [`sessions`] | gateway session -> server sessions, in memory or Redis |
//! | [`credentials`] | keys and sealed tokens; the only place that reveals a secret |
//! | [`source`] | one file, or one Secret -> one `Spec` |
//! | [`controller`] | Kubernetes objects -> configuration, `EnvoyFilter`, status |
//! | `kubernetes` | where the API server is, and as whom it is asked |
//! | [`report`] | what a data plane tells the controller, and how it finds out |
//! | [`envoy`] | an Envoy bootstrap for a `Spec`; pure |
//! | [`admin`] | health, readiness, metrics, status |
//! | [`telemetry`] | logs and metric families |
//! | [`clock`] | the one place that reads the time of day |
//! | [`demo`] | the gateway at work between real servers, on one machine |
//!
//! `ARCHITECTURE.md` draws how they meet.

pub mod admin;
pub mod broker;
pub mod clock;
pub mod config;
pub mod control;
pub mod controller;
pub mod credentials;
pub mod demo;
pub mod envoy;
pub mod exchange;
pub mod ext_proc;
mod kubernetes;
pub mod mcp;
mod outbound;
pub mod report;
pub mod routing;
pub mod serve;
pub mod sessions;
pub mod source;
pub mod telemetry;

/// Messages of `proto/`: the gateway's own durable wire formats.
pub mod proto {
    #![allow(clippy::all, clippy::pedantic, clippy::restriction, unused_qualifications, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/mcp_gateway.v1.rs"));
}
