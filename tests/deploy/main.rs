//! What is below `deploy/`: kustomize and Helm render the same objects, pods are guarded, rights are few, samples work.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "nothing leaves a test binary")]

#[path = "../common/mod.rs"]
mod common;

mod accepted;
mod chart;
mod crds;
mod guide;
mod image;
mod pods;
mod policies;
mod render;
mod rights;
mod same;
mod samples;
mod scripts;
