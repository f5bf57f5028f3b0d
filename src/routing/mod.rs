//! Where a message goes: `Spec` -> `compile` -> `Snapshot`; `decide(&Snapshot, &Request) -> Decision`.
//!
//! ```text
//!  file, Secret -> Spec ------\
//!                              > compile -> Snapshot -> decide -> Decision
//!  discovery    -> Catalogue -/
//! ```
//!
//! **Invariant**: pure. One immutable [`Snapshot`] answers both what is listed and what can be called, from
//! the same [`View`]: names exactly, URIs as [`Scope::resource`] says. No I/O, no clock, no module of ours but `mcp`.

mod by_name;
mod catalogue;
mod compile;
mod decide;
mod item;
mod joint;
mod listing;
mod name;
mod resources;
mod routes;
mod scope;
mod snapshot;
mod spec;
mod target;
mod template;
pub mod uri;
mod view;

pub use catalogue::{Catalogue, Discovered, DiscoveredItem, Primitive, RejectedItem};
pub use compile::{Conflict, compile};
pub use decide::{Decision, Forward, Request, decide};
pub use item::Item;
pub use listing::{Listing, Page};
pub use name::{InvalidName, ObjectName, Prefix};
pub use routes::Routes;
pub use scope::Scope;
pub use snapshot::{Host, Server, Snapshot};
pub use spec::{
    Authority, CallCredential, Limits, Origin, PublicHost, ServerSpec, Spec, Timeouts, VirtualServerSpec,
};
pub use view::View;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
