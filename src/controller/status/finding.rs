//! What is wrong with an object.

/// One thing that is wrong: what, with which object, and what to do. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of [`super::reason`].
    pub reason: &'static str,
    pub message: String,
}

impl Finding {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The value, or why there is none.
pub type Check<T = ()> = Result<T, Finding>;
