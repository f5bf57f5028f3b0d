//! Starts, drives and ends the real peers of the integration tests: Envoy, the gateway, MCP servers and clients, Redis.
//!
//! Every peer is a child process on loopback, ended by its pid when it is dropped; when a test fails, the output of
//! the peers it started is printed. Where a peer comes from: `fetched`.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "the harness reads the variables that name the peers")]

mod client;
mod cluster;
mod envoy;
mod fetched;
mod gateway;
mod pod;
mod process;
mod redis;
mod server;
mod tls;
mod wait;

pub use client::{Client, Refusal};
pub use cluster::Cluster;
pub use envoy::Envoy;
pub use fetched::{fetched, peer};
pub use gateway::Gateway;
pub use pod::Pod;
pub use process::Process;
pub use redis::Redis;
pub use server::{Everything, PythonServer};
pub use tls::{CertificateAuthority, TlsRequest, TlsServer};
pub use wait::{DEADLINE, eventually, free_port};
