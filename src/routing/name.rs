//! Names that cannot be made wrong: `namespace/name` of an object, and the prefix of a server's tools.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Why a text is not a name. Says the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} {1}")]
pub struct InvalidName(pub String, pub &'static str);

/// `namespace/name` of a server or a virtual server, as Kubernetes names objects (RFC 1123 subdomains);
/// a file may leave the namespace out. At most [`ObjectName::MAX_BYTES`] long. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// Longest name, in bytes: a namespace of 63, a slash, and a name of 253.
    pub const MAX_BYTES: usize = 317;

    /// Reads `name` or `namespace/name`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let wrong = |why| Err(InvalidName(text.to_owned(), why));
        if text.len() > Self::MAX_BYTES {
            return wrong("is longer than 317 bytes");
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_dns_subdomain(part)) {
            return wrong("must be `namespace/name` or `name`, of lower case letters, digits, `-` and `.`");
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ObjectName> for Arc<str> {
    fn from(name: &ObjectName) -> Self {
        Self::clone(&name.0)
    }
}

impl Borrow<str> for ObjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn is_dns_subdomain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-' || byte == b'.')
}

/// What stands before the names of a server's tools and prompts; may be empty. `[a-z0-9][a-z0-9_]*`, as in the
/// CRD, at most [`Prefix::MAX_BYTES`] long. The exposed name is the plain concatenation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Longest prefix, in bytes; leaves half of a tool name's 128 to the tool.
    pub const MAX_BYTES: usize = 64;

    /// Reads a prefix; the empty one is valid.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let wrong = |why| Err(InvalidName(text.to_owned(), why));
        if text.len() > Self::MAX_BYTES {
            return wrong("is longer than 64 bytes");
        }
        if text.starts_with('_')
            || !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            return wrong("must be lower case letters, digits and `_`, and not begin with `_`");
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that clients see for a server's `name`.
    pub fn expose(&self, name: &str) -> String {
        [self.as_str(), name].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_name_is_one_or_two_dns_names() {
        for good in ["github", "mcp-test/github", "a/b.c", "0/1"] {
            assert_eq!(ObjectName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "A/b", "a b", "-a", "a-", "a\n", "a_b"] {
            assert!(ObjectName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ObjectName::parse(&"a".repeat(ObjectName::MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_prefix_is_lower_case_and_does_not_begin_with_an_underscore() {
        for good in ["", "github_", "a1_b", "0"] {
            assert_eq!(Prefix::parse(good).unwrap().expose("x"), format!("{good}x"));
        }
        for bad in ["_a", "A", "a-", "a.b", "ä", " "] {
            assert!(Prefix::parse(bad).is_err(), "{bad:?}");
        }
    }
}
