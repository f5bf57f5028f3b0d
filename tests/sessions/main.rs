//! The session store: the same promises kept in memory and in a real Redis, and what Redis' death does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "calls of other clients are tasks, and end with the test")]
#![allow(unreachable_pub, reason = "nothing leaves a test binary")]

mod answers;
mod both;
mod memory;
mod redis_failures;
mod setting;
mod watching;
