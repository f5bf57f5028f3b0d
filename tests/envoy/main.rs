//! Real Envoy between real MCP clients and real MCP servers, with the gateway as its external processor.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` arguments read better without `&`")]

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod bodies;
mod calls;
mod counters;
mod get_streams;
mod guide;
mod hostile;
mod hosts;
mod probes;
mod raw;
mod redis;
mod reload;
mod secrets;
mod sessions;
mod setting;
mod spoofing;
mod streams;
mod tls;
mod views;
