//! What the status of all three kinds is made of.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One aspect of an object's state, as in Gateway API (`metav1.Condition`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, such as `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// What is so, which object it is about, and what to do.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The `metadata.generation` that the condition is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// When `status` last became another.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
}
