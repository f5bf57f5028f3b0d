//! What the gateway knows of MCP and JSON-RPC: scanning, splicing, methods, revisions, headers, errors, events.
//!
//! **Invariant:** pure. No I/O, no clock, no other module of the gateway. Every input is taken to be hostile: nothing
//! here panics, and every walk over it is linear, iterative and bounded.

mod capabilities;
pub mod header;
pub mod method;
mod proof;
pub mod reply;
pub mod revision;
pub mod scan;
pub mod splice;
pub mod sse;

pub use capabilities::{ClientCapabilities, ServerCapabilities};
pub use method::Method;
pub use proof::Proof;
pub use reply::{Rejection, Response};
pub use revision::Revision;
pub use scan::{Fault, Id, Kind, Message, ScanError, elements, members, scan};
pub use splice::{Edits, Span, splice, without_prefix};
