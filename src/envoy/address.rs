//! `host:port` or `unix:/path`.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use serde_json::{Value, json};

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A name or an IP address, without brackets.
    Tcp { host: String, port: u16 },
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// Not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address; write `host:port`, `[address]:port` or `unix:/path`")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let wrong = || InvalidAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(wrong()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_not_a_port| wrong())?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => inside,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control() || "[]/".contains(c)) {
            return Err(wrong());
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Where to connect to reach what listens here: loopback for "every address".
    pub(super) fn to_connect(&self) -> Self {
        match self {
            Self::Tcp { host, port } => {
                let host = match host.parse::<IpAddr>() {
                    Ok(address) if address.is_unspecified() && address.is_ipv4() => "127.0.0.1",
                    Ok(address) if address.is_unspecified() => "::1",
                    Ok(_) | Err(_) => host,
                };
                Self::Tcp { host: host.to_owned(), port: *port }
            }
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }

    /// Whether a name has to be resolved first.
    pub(super) fn is_name(&self) -> bool {
        matches!(self, Self::Tcp { host, .. } if host.parse::<IpAddr>().is_err())
    }

    /// As `envoy.config.core.v3.Address`.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Tcp { host, port } => json!({"socket_address": {"address": host, "port_value": port}}),
            Self::Unix(path) => json!({"pipe": {"path": path}}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown() {
        for text in ["127.0.0.1:8001", "[::1]:80", "broker.mcp-system:8080", "unix:/run/ep.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "8001",
            ":80",
            "a:",
            "a:b",
            "a:65536",
            "::1:80",
            "unix:run",
            "[::1]",
            "a b:80",
            "http://a:80",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_reached_by_loopback() {
        let reached = |text: &str| text.parse::<Address>().unwrap().to_connect().to_string();
        assert_eq!(reached("0.0.0.0:50051"), "127.0.0.1:50051");
        assert_eq!(reached("[::]:50051"), "[::1]:50051");
        assert_eq!(reached("10.0.0.1:50051"), "10.0.0.1:50051");
    }
}
