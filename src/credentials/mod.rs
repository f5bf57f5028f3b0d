//! Keys, sealed tokens and upstream credentials; the only place that reveals a secret.
//!
//! ```text
//!  key file -> KeyRing -> Sealer -- seal --> text in a header field -- open --> payload, or nothing
//! ```
//!
//! **Invariant**: no key, token payload or credential is in any `Debug`, `Display` or error of this module.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{SecretString, zeroize::Zeroizing};

mod envelope;
mod keys;
mod sealer;
mod secret;

pub use keys::{KeyError, KeyFault, KeyRing};
pub use sealer::{Routed, Sealer};
pub use secret::{BadCredential, MAX_CREDENTIAL_BYTES, checked, credential, reveal, same, size};

pub use crate::exchange::CredentialPart;
use crate::exchange::SessionId;

/// The name of a new gateway session, from the system's randomness.
pub fn new_session_id() -> Result<SessionId, NoRandomness> {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_unspecified| NoRandomness)?;
    Ok(SessionId(id))
}

/// A new session key, in base64, as a key file has it.
pub fn new_key() -> Result<SecretString, NoRandomness> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *key).map_err(|_unspecified| NoRandomness)?;
    Ok(SecretString::from(STANDARD.encode(*key)))
}

/// The system has no random bytes to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random bytes to give")]
pub struct NoRandomness;
