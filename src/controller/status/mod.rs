//! Truth in status: what is found about an object, as conditions; pure.
//!
//! ```text
//!  checks of the index (Check) --\
//!                                 > conditions, the old times kept where nothing changed
//!  reports of the data planes ---/
//! ```

mod condition;
mod evidence;
mod extension;
mod finding;
pub mod reason;
mod registration;
mod virtual_server;

pub use condition::Known;
pub use evidence::Serving;
pub use extension::{Attaching, Extension, extension};
pub use finding::{Check, Finding};
pub use registration::{Registration, registration};
pub use virtual_server::{VirtualServer, virtual_server};
