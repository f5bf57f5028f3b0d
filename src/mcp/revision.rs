//! The revisions of MCP the gateway speaks, oldest first.

use std::fmt;

/// A revision of the protocol (`MCP-Protocol-Version`), ordered by date.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Revision {
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
}

impl Revision {
    /// Every revision the gateway speaks, oldest first.
    pub const ALL: &[Self] = &[Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];

    /// What `initialize` is answered with when the client asks for a revision the gateway does not speak.
    pub const LATEST: Self = Self::V2025_11_25;

    /// The revision of exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|revision| revision.as_str() == name)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// The answer to `initialize`: what the client asked for if it is spoken here, else the latest.
    pub fn negotiate(asked: &str) -> Self {
        Self::parse(asked).unwrap_or(Self::LATEST)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_listed_in_order_and_found_by_name() {
        assert!(Revision::ALL.is_sorted());
        assert_eq!(Revision::ALL.last(), Some(&Revision::LATEST));
        for &revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
            assert_eq!(Revision::negotiate(revision.as_str()), revision);
        }
    }

    #[test]
    fn an_unknown_revision_is_answered_with_the_latest() {
        for asked in ["2024-11-05", "2026-07-28", "", "2025-11-25 ", "x"] {
            assert_eq!(Revision::parse(asked), None, "{asked:?}");
            assert_eq!(Revision::negotiate(asked), Revision::LATEST, "{asked:?}");
        }
    }
}
