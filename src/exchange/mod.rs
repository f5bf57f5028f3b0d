//! One HTTP request and its response as Envoy sees them: what is waited for, what is changed, what is refused.
//!
//! ```text
//!  attachment --Input--> Exchange --Request--> routing::decide
//!  attachment <--Step--- Exchange <--Decision--
//! ```
//!
//! In Envoy's terms, not in protobuf's: `ext_proc` is the first attachment, another may follow.
//!
//! **Invariant**: pure. [`Exchange::handle`] does no I/O and reads no clock; the only thing it waits for is a
//! server session ([`Step::Session`]) and, after a lost one, a replay ([`Step::Replay`]).

mod call;
mod head;
mod may_change;
mod owner;
mod phases;
mod probe;
mod rewrite;
mod step;
mod tokens;

pub use head::{Head, Header, MAX_FIELD_BYTES, MAX_FIELDS};
pub use phases::Exchange;
pub use rewrite::{
    Form, MAX_HELD_EVENT, MAX_HELD_JSON, MAX_OPEN_REQUESTS, Origin, Outcome, Rewriter, Rewritten,
};
pub use step::{
    Answer, BodyMode, BodyModes, CredentialPart, Input, Mutation, Names, ReplayOutcome, SessionNeed,
    SessionOutcome, Step, Subject, Value,
};
pub use tokens::{
    Alias, AliasKind, HairpinRight, MAX_ORIGINAL_BYTES, MAX_PLACE_BYTES, MAX_PLACES, Place, Session,
    SessionFault, SessionId, Tokens,
};

#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod tests;
