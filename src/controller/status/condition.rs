//! New conditions beside the old ones: the time of a transition stays where nothing changed.

use super::{Check, Finding, reason};
use crate::controller::crd::Condition;

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 1024;

/// What was written of an object before, and when it is now.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub conditions: &'a [Condition],
    /// `metadata.generation`.
    pub generation: i64,
    /// RFC 3339.
    pub now: &'a str,
}

impl Known<'_> {
    /// The condition `kind`: true for `good` with its message, or false for what was found.
    pub(super) fn condition(&self, kind: &str, check: Check<(&str, String)>) -> Condition {
        let (status, reason, message) = match check {
            Ok((reason, message)) => ("True", reason.to_owned(), message),
            Err(Finding { reason, message }) => ("False", reason.to_owned(), message),
        };
        let old = self.conditions.iter().find(|old| old.kind == kind && old.status == status);
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason,
            message: clipped(message),
            observed_generation: self.generation,
            last_transition_time: old.map_or(self.now, |old| &old.last_transition_time).to_owned(),
        }
    }

    /// True when there are any; the gravest first.
    pub(super) fn warnings(&self, mut warnings: Vec<Finding>) -> Condition {
        let gravity = |finding: &Finding| reason::GRAVITY.iter().position(|reason| *reason == finding.reason);
        warnings.sort_by_key(|finding| {
            (gravity(finding).unwrap_or(reason::GRAVITY.len()), finding.message.clone())
        });
        warnings.dedup();
        let messages: Vec<_> = warnings.iter().map(|finding| finding.message.as_str()).collect();
        let none = Finding::new(reason::NO_WARNINGS, "");
        let check = warnings.first().map(|first| (first.reason, messages.join(" | "))).ok_or(none);
        self.condition(reason::WARNINGS, check)
    }
}

/// `message`, cut at a character where it is too long.
pub(super) fn clipped(mut message: String) -> String {
    const MORE: &str = "…";
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE - MORE.len()));
        message.push_str(MORE);
    }
    message
}
