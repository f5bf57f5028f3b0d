//! Flags and environment, read once.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    demo::Demo,
    envoy::{self, Address, SYSTEM_CA_BUNDLE},
    ext_proc::Listen,
    routing::{Authority, PublicHost},
    source::Overrides,
    telemetry::LogFormat,
};

/// One MCP endpoint in front of many MCP servers, on Envoy.
#[derive(Debug, Parser)]
#[command(name = "mcp-gateway", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the router and the broker
    Serve(Box<Serve>),
    /// Print an Envoy bootstrap for a configuration file
    Envoy(Envoy),
    /// Check a configuration file: every mistake, with its line and what to do
    Check(Check),
    /// Start Envoy, the gateway and two MCP servers on this machine, and show calls through them
    Demo(Demo),
}

/// The file, and what takes the place of values in it.
#[derive(Args, Clone, Debug)]
pub struct Configuration {
    /// Configuration file, YAML or JSON
    #[arg(long = "config", value_name = "FILE", env = "MCP_GATEWAY_CONFIG")]
    pub file: PathBuf,
    /// Hosts that clients name, without port, instead of the file's `publicHost`; comma-separated
    #[arg(
        long = "public-host",
        value_name = "HOST",
        env = "MCP_GATEWAY_PUBLIC_HOST",
        value_delimiter = ',',
        value_parser = Authority::parse
    )]
    public_hosts: Vec<PublicHost>,
}

impl Configuration {
    pub fn overrides(&self) -> Overrides {
        Overrides { public_hosts: self.public_hosts.clone() }
    }
}

#[derive(Args, Clone, Debug)]
pub struct Serve {
    #[command(flatten)]
    pub configuration: Configuration,
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

#[derive(Args, Clone, Debug)]
pub struct Envoy {
    #[command(flatten)]
    pub configuration: Configuration,
    /// Where Envoy listens for clients: HOST:PORT or unix:/path
    #[arg(long, value_name = "ADDRESS", env = "MCP_GATEWAY_ENVOY_LISTEN", default_value = "127.0.0.1:8001")]
    pub listen: Address,
    /// Where Envoy's admin interface listens; without it there is none
    #[arg(long, value_name = "ADDRESS", env = "MCP_GATEWAY_ENVOY_ADMIN")]
    pub admin: Option<Address>,
    /// Where the router listens: HOST:PORT or unix:/path
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MCP_GATEWAY_EXT_PROC_LISTEN",
        default_value = "0.0.0.0:50051",
        visible_alias = "ext-proc"
    )]
    pub ext_proc_listen: Address,
    /// Where the broker listens: HOST:PORT
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MCP_GATEWAY_BROKER_LISTEN",
        default_value = "0.0.0.0:8080",
        visible_alias = "broker"
    )]
    pub broker_listen: Address,
    /// How request bodies reach the router
    #[arg(long, value_name = "MODE", env = "MCP_GATEWAY_ENVOY_BODY_MODE", default_value = "buffered")]
    pub body_mode: BodyMode,
    /// PEM file of the authorities that sign the servers' certificates
    #[arg(long, value_name = "FILE", env = "MCP_GATEWAY_ENVOY_CA_BUNDLE", default_value = SYSTEM_CA_BUNDLE)]
    pub ca_bundle: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub struct Check {
    /// Configuration file, YAML or JSON
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    pub file: Option<PathBuf>,
    /// Print the JSON Schema of configuration files instead
    #[arg(long)]
    pub schema: bool,
}

/// How request bodies reach the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BodyMode {
    /// Whole; Envoy holds them up to the body limit
    Buffered,
    /// In pieces, both ways; limit and deadline are the router's
    FullDuplex,
}

impl From<BodyMode> for envoy::BodyMode {
    fn from(mode: BodyMode) -> Self {
        match mode {
            BodyMode::Buffered => Self::Buffered,
            BodyMode::FullDuplex => Self::FullDuplex,
        }
    }
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
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn every_flag_says_its_environment_name_and_has_a_help() {
        Cli::command().debug_assert();
        for name in ["serve", "envoy"] {
            let mut cli = Cli::command();
            let command = cli.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            for flag in command.get_arguments().filter(|flag| flag.get_id() != "help") {
                assert!(flag.get_help().is_some(), "{name} --{}", flag.get_id());
                let env = flag.get_env().and_then(|env| env.to_str()).unwrap();
                assert!(env.starts_with("MCP_GATEWAY_") && help.contains(env), "{name} --{}", flag.get_id());
            }
        }
    }

    #[test]
    fn serve_has_defaults_for_all_but_the_file() {
        let Command::Serve(serve) = parse("mcp-gateway serve --config a.yaml").unwrap() else { panic!() };
        assert_eq!(serve.ext_proc_listen.to_string(), "0.0.0.0:50051");
        assert_eq!(serve.session_lifetime, Duration::from_hours(24));
        assert!(serve.redis_url.is_none() && serve.configuration.overrides().public_hosts.is_empty());
        assert!(parse("mcp-gateway serve").is_err());
        assert!(parse("mcp-gateway check").is_err());
        assert!(parse("mcp-gateway check --schema").is_ok());
    }

    #[test]
    fn hosts_are_read_and_a_redis_url_is_not_shown() {
        let line = "mcp-gateway serve --config a --public-host A.example.com,b.example.com --redis-url redis://:hunter2@h";
        let Command::Serve(serve) = parse(line).unwrap() else { panic!() };
        let hosts = serve.configuration.overrides().public_hosts;
        assert_eq!(
            hosts.iter().map(PublicHost::as_str).collect::<Vec<_>>(),
            ["a.example.com", "b.example.com"]
        );
        assert!(!format!("{serve:?}").contains("hunter2"));
        assert!(parse("mcp-gateway serve --config a --public-host a:80").is_err());
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
