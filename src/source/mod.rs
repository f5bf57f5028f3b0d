//! One configuration file, or one Secret -> one `routing::Spec`, or every mistake in it with its line.
//!
//! ```text
//!  text -> tree (positions) -> structure (names, types: JSON Schema) -> Document -> build (meaning) -> Spec
//!              \________________________ Problems: line, column, place, message, fix ________________/
//!
//!  Spec -> print -> split -> Secrets -> join -> read_text -> the same Spec
//! ```
//!
//! **Invariant**: a bad configuration changes nothing, and no problem, log line or `Debug` shows a secret.

mod build;
mod check;
mod document;
mod files;
mod listed;
mod print;
mod problem;
mod read;
#[cfg(test)]
mod round_trip;
mod secret;
mod server;
mod shards;
mod structure;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod watch;
#[cfg(test)]
mod watch_tests;
mod watched;

pub use build::MAX_SERVERS;
pub use check::{Checked, check, report, schema_text, warnings};
pub use files::MAX_FILE_BYTES;
pub use listed::Listed;
pub use print::print;
pub use problem::{MAX_PROBLEMS, Problem};
pub use read::{Loaded, Overrides, read, read_text};
pub use secret::{wait_for_key, watch_secret};
pub use shards::{MAX_SHARDS, Shard, TooLarge, shard_names, split};
pub use watch::{POLL, watch};
pub use watched::{SourceStatus, Watched};
