//! `mcp-gateway serve`: its flags.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::{ObjectRef, PublicHosts};
use crate::{ext_proc::Listen, telemetry::LogFormat};

/// Where the configuration comes from.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Origin {
    /// Configuration file, YAML or JSON
    #[arg(long = "config", value_name = "FILE", env = "MCP_GATEWAY_CONFIG")]
    pub file: Option<PathBuf>,
    /// Secret that the controller writes the configuration into; followed through the API server
    #[arg(long = "config-secret", value_name = "[NAMESPACE/]NAME", env = "MCP_GATEWAY_CONFIG_SECRET")]
    pub secret: Option<ObjectRef>,
}

#[derive(Args, Clone, Debug)]
pub struct Serve {
    #[command(flatten)]
    pub origin: Origin,
    #[command(flatten)]
    pub public: PublicHosts,
    /// Where Envoy reaches the router (gRPC): IP:PORT or unix:/path
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MCP_GATEWAY_EXT_PROC_LISTEN",
        default_value = "0.0.0.0:50051"
    )]
    pub ext_proc_listen: Listen,
    /// Where Envoy reaches the broker (HTTP): IP:PORT
    #[arg(long, value_name = "ADDRESS", env = "MCP_GATEWAY_BROKER_LISTEN", default_value = "0.0.0.0:8080")]
    pub broker_listen: SocketAddr,
    /// Where /healthz, /readyz, /metrics and /status are served (HTTP): IP:PORT
    #[arg(long, value_name = "ADDRESS", env = "MCP_GATEWAY_ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
    /// Where Envoy listens for the gateway's own requests: HOST:PORT, with http:// or https:// before it
    #[arg(long, value_name = "HOST", env = "MCP_GATEWAY_PRIVATE_HOST", default_value = "127.0.0.1:8001")]
    pub private_host: String,
    /// File of the keys that seal session ids, one a line (32 bytes, base64 or hex), the first one seals; without
    /// it a key is made and sessions end with the process
    #[arg(long, value_name = "FILE", env = "MCP_GATEWAY_SESSION_KEY_FILE")]
    pub session_key_file: Option<PathBuf>,
    /// Secret whose key `keys` holds what the session key file would; the gateway waits until it is there
    #[arg(
        long,
        value_name = "[NAMESPACE/]NAME",
        env = "MCP_GATEWAY_SESSION_KEY_SECRET",
        conflicts_with = "session_key_file"
    )]
    pub session_key_secret: Option<ObjectRef>,
    /// ConfigMap that tells the controller what this instance has found; with it the gateway tries its own routes
    #[arg(long, value_name = "[NAMESPACE/]NAME", env = "MCP_GATEWAY_REPORT")]
    pub report: Option<ObjectRef>,
    /// Namespace of Secrets and ConfigMaps that are named without one; the service account's or kubeconfig's when absent
    #[arg(long, value_name = "NAMESPACE", env = "MCP_GATEWAY_NAMESPACE")]
    pub namespace: Option<String>,
    /// Name of this instance in the report, unlike that of any other; the host's name when absent
    #[arg(long, value_name = "NAME", env = "MCP_GATEWAY_INSTANCE", value_parser = instance)]
    pub instance: Option<String>,
    /// From `initialize` to the end of a session: a number with s, m, h or d
    #[arg(
        long,
        value_name = "TIME",
        env = "MCP_GATEWAY_SESSION_LIFETIME",
        default_value = "24h",
        value_parser = lifetime
    )]
    pub session_lifetime: Duration,
    /// Redis that replicas share sessions in, redis://, rediss:// or unix://; without it sessions are kept in memory.
    /// Give it by the environment when it has a password
    #[arg(long, value_name = "URL", env = "MCP_GATEWAY_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<RedisUrl>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", env = "MCP_GATEWAY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, or directives such as info,mcp_gateway=debug
    #[arg(long, value_name = "FILTER", env = "MCP_GATEWAY_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// Where Redis is; may hold a password, and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RedisUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl([hidden])")
    }
}

/// A key of a `ConfigMap`.
fn instance(text: &str) -> Result<String, String> {
    let is_key = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_key { Ok(text.to_owned()) } else { Err("write letters, digits, `-`, `_` and `.`".to_owned()) }
}

/// Shortest session.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);
/// Longest session.
const MAX_LIFETIME: Duration = Duration::from_hours(30 * 24);

fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "write a whole number with s, m, h or d, such as 24h".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
    match number.checked_mul(seconds).map(Duration::from_secs) {
        Some(lifetime) if (SHORTEST_LIFETIME..=MAX_LIFETIME).contains(&lifetime) => Ok(lifetime),
        Some(_) | None => Err("must be 1s to 30d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_key_of_a_config_map() {
        assert!(instance("mcp-broker-router-6d5f-x2x4z").is_ok());
        for bad in ["", "a/b", "a b", &"a".repeat(254)] {
            assert!(instance(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lifetime_has_a_unit_and_is_bounded() {
        assert_eq!(lifetime("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(lifetime("30d"), Ok(MAX_LIFETIME));
        for bad in ["", "5", "h", "1w", "-1h", "0s", "31d", "99999999999999999999h", "1.5h"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
