//! The controller against a real kube-apiserver: definitions, restarts, the Lease, changes, rights; with real istiod
//! where a Gateway has to accept a route.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, says what it has measured, and may be one long story"
)]

#[path = "../common/mod.rs"]
mod common;

mod absent;
mod changes;
mod definitions;
mod lease;
mod rights;
mod setting;
