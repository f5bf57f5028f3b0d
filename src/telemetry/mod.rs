//! Logs and metric families.
//!
//! **Invariant**: imports no module of ours. Labels are enums, names of refusals and names of configured servers:
//! their number is bounded, and none of them comes from a client.

mod controller;
mod logs;
mod metrics;

pub use controller::ControllerMetrics;
pub use logs::{LogFormat, init};
pub use metrics::{Attempt, Metrics, Outcome, Phase};
