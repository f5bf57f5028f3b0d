//! The router over gRPC: a real client on a loopback connection plays Envoy's part, message by message.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

#[path = "../common/catalogue.rs"]
mod catalogue;
mod gateway;
mod phases;
mod process;
mod replays;
mod rewritten;
mod stream;
