//! Why a request to the API server failed.

use std::time::Duration;

use crate::credentials::NoRandomness;

/// Longest wait for an answer of the API server.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The API server, or a webhook, says no.
    #[error("{message} ({code})")]
    Refused { code: u16, message: String },
    #[error("no answer from the API server: {0}")]
    Lost(kube::Error),
    #[error("no answer from the API server within 5 s")]
    Late,
    #[error("it exists and was not made by the controller (it has no label `{label}`); delete or rename it", label = label())]
    Foreign,
    #[error("it exists")]
    Exists,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("it cannot be written as JSON: {0}")]
    Unwritable(#[from] serde_json::Error),
}

fn label() -> String {
    format!("{}: {}", super::MANAGED_BY, super::CONTROLLER)
}

impl From<kube::Error> for Failure {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the other arms depend on features of other crates")]
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { code: status.code, message: status.message },
            other => Self::Lost(other),
        }
    }
}

impl Failure {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}
