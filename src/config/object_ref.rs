//! `[NAMESPACE/]NAME` of a Kubernetes object.

use std::{fmt, str::FromStr};

/// An object by its name, perhaps in another namespace than the process's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    namespace: Option<String>,
    name: String,
}

/// Not an [`ObjectRef`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write NAME or NAMESPACE/NAME, in lower-case letters, digits, `-` and `.`")]
pub struct InvalidRef;

impl FromStr for ObjectRef {
    type Err = InvalidRef;

    fn from_str(text: &str) -> Result<Self, InvalidRef> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if namespace.is_none_or(is_name) && is_name(name) {
            Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
        } else {
            Err(InvalidRef)
        }
    }
}

impl ObjectRef {
    /// With `namespace` where it names none.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        let namespace = self.namespace.clone().or_else(|| Some(namespace.to_owned()));
        Self { namespace, name: self.name.clone() }
    }

    /// Empty where there is none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_namespace() {
        for (text, whole) in [("a", "here/a"), ("mcp-system/a.b-1", "mcp-system/a.b-1")] {
            let read: ObjectRef = text.parse().unwrap();
            assert_eq!(
                (read.to_string().as_str(), read.in_namespace("here").to_string().as_str()),
                (text, whole)
            );
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "A", "-a", "a.", "a b"] {
            assert_eq!(bad.parse::<ObjectRef>(), Err(InvalidRef), "{bad}");
        }
    }
}
