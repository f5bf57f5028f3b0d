//! Where a message goes: `Spec` -> `compile` -> `Snapshot`; `decide(&Snapshot, &Request) -> Decision`.
//!
//! ```text
//!  file, Secret -> Spec ------\
//!                              > compile -> Snapshot -> decide -> Decision
//!  discovery    -> Catalogue -/
//! ```
//!
//! **Invariant**: pure. One immutable [`Snapshot`] answers both what is listed and what can be called, from
//! the same [`View`], by exact name. No I/O, no clock, no module of ours but `mcp`.

mod catalogue;
mod compile;
mod decide;
mod name;
mod routes;
mod snapshot;
mod spec;
mod view;

pub use catalogue::{Catalogue, Discovered, DiscoveredTool, RejectedTool};
pub use compile::{Conflict, compile};
pub use decide::{Decision, Request, decide};
pub use name::{InvalidName, ObjectName, Prefix};
pub use routes::Routes;
pub use snapshot::{Host, Server, Snapshot};
pub use spec::{
    Authority, CallCredential, Limits, Origin, PublicHost, ServerSpec, Spec, Timeouts, VirtualServerSpec,
};
pub use view::{Page, Scope, Tool, View};

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
