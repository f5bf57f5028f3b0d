//! The guide to GitHub's MCP server, on a real kube-apiserver, real istiod and real Envoy, with `deploy/` as it is; and
//! what happens beside it and when a part is missing.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod commands;
mod guide;
mod listeners;
mod neighbours;
mod setting;
