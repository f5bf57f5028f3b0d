//! What one client says, hears and owns never reaches another, and each answer goes to the server that asked: two
//! clients and two servers that use the same names, URIs, ids and tokens, through real Envoy and the gateway.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may say where it is"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` arguments read better without `&`")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../envoy/setting.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with tests/envoy, which uses all of it")]
mod setting;

mod answers;
mod calls;
mod client;
mod direct;
mod line;
mod logs;
mod names;
mod offers;
mod pair;
mod puppet;
mod requests;
mod resources;
mod streams;
mod tasks;
