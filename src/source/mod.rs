//! One configuration file -> one `routing::Spec`, or every mistake in it with its line.
//!
//! ```text
//!  text -> tree (positions) -> structure (names, types: JSON Schema) -> Document -> build (meaning) -> Spec
//!              \________________________ Problems: line, column, place, message, fix ________________/
//! ```
//!
//! **Invariant**: a bad file changes nothing, and no problem, log line or `Debug` shows a secret.

mod build;
mod check;
mod document;
mod files;
mod problem;
mod read;
mod server;
mod structure;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod watch;
#[cfg(test)]
mod watch_tests;

pub use build::MAX_SERVERS;
pub use check::{Checked, check, report, schema_text, warnings};
pub use files::MAX_FILE_BYTES;
pub use problem::{MAX_PROBLEMS, Problem};
pub use read::{Loaded, Overrides, read};
pub use watch::{POLL, SourceStatus, Watched, watch};
