//! The protocol's conformance suite, directly against fixture servers and through Envoy and the gateway; and what the
//! suite does not look at: whether lists, capabilities and answers of two servers stay what and whose they are.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and may say where it is"
)]
#![allow(clippy::needless_pass_by_value, reason = "`json!` arguments read better without `&`")]

#[path = "../common/mod.rs"]
mod common;

mod behind;
mod both;
mod busy;
mod crowd;
mod direct;
mod fixture;
mod offers;
mod session;
mod suite;
mod through;
mod verdict;
