//! Keys, sealed tokens and upstream credentials; the only place that reveals a secret.
//!
//! ```text
//!  key file -> KeyRing -> Sealer -- seal --> text in a header field -- open --> payload, or nothing
//! ```
//!
//! **Invariant**: no key, token payload or credential is in any `Debug`, `Display` or error of this module.

mod envelope;
mod keys;
mod sealer;
mod secret;

pub use keys::{KeyError, KeyFault, KeyRing};
pub use sealer::{Routed, Sealer};
pub use secret::{BadCredential, MAX_CREDENTIAL_BYTES, credential, reveal};

use crate::exchange::SessionId;

/// The name of a new gateway session, from the system's randomness.
pub fn new_session_id() -> Result<SessionId, NoRandomness> {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_unspecified| NoRandomness)?;
    Ok(SessionId(id))
}

/// The system has no random bytes to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random bytes to give")]
pub struct NoRandomness;
