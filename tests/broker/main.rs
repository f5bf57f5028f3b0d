//! The broker over real HTTP, without Envoy: towards clients, servers that misbehave on demand, and real peers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
#![allow(unreachable_pub, reason = "nothing leaves a test binary")]

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod events;
mod fake;
mod fan_out;
mod gateway;
mod lists;
mod peers;
mod servers;
mod tls;
mod upstream;
