//! `mcp-gateway controller`: custom resources, Gateway API and Secrets to configuration, `EnvoyFilter` and status.
//!
//! ```text
//!  watch --apply/delete--> Index --desired--> Vec<Write> --bounded--> write (server-side apply, while the Lease is held)
//!                           ^                    |
//!                           |   Secret mcp-gateway-config --> data plane --> ConfigMap mcp-gateway-status
//!                           \______________________________________________________________/
//! ```
//!
//! **Invariant**: the index is pure: the same objects give the same writes, in any order of arrival.

pub mod crd;
mod failure;
mod heard;
pub mod index;
mod lease;
pub mod object;
pub mod own;
mod run;
pub mod status;
mod watch;
mod write;
mod writer;

pub use lease::Claim;
pub use run::{Parts, run};
pub use write::{Body, Unwritten, Write};

/// Field manager of everything that the controller writes, and the value of the label that marks what it owns.
pub const CONTROLLER: &str = "mcp-controller";
/// Label of what the controller owns; its value is [`CONTROLLER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label that a Secret must have (`"true"`) before a registration can take a credential from it.
pub const CREDENTIAL_LABEL: &str = "mcp.kagenti.com/credential";
