//! Flags and environment, read once.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

mod check;
mod controller;
mod crds;
mod envoy;
mod object_ref;
mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::{
    check::Check,
    controller::Controller,
    crds::Crds,
    envoy::{BodyMode, Envoy},
    object_ref::{InvalidRef, ObjectRef},
    serve::{Origin, RedisUrl, Serve},
};
use crate::{
    demo::Demo,
    routing::{Authority, PublicHost},
    source::Overrides,
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
    /// Run the Kubernetes controller
    Controller(Controller),
    /// Print an Envoy bootstrap for a configuration file
    Envoy(Envoy),
    /// Check a configuration file: every mistake, with its line and what to do
    Check(Check),
    /// Print the Kubernetes custom resource definitions
    Crds(Crds),
    /// Start Envoy, the gateway and two MCP servers on this machine, and show calls through them
    Demo(Demo),
}

/// The file, and what takes the place of values in it.
#[derive(Args, Clone, Debug)]
pub struct Configuration {
    /// Configuration file, YAML or JSON
    #[arg(long = "config", value_name = "FILE", env = "MCP_GATEWAY_CONFIG")]
    pub file: PathBuf,
    #[command(flatten)]
    pub public: PublicHosts,
}

#[derive(Args, Clone, Debug)]
pub struct PublicHosts {
    /// Hosts that clients name, without port, instead of the file's `publicHost`; comma-separated
    #[arg(
        long = "public-host",
        value_name = "HOST",
        env = "MCP_GATEWAY_PUBLIC_HOST",
        value_delimiter = ',',
        value_parser = Authority::parse
    )]
    hosts: Vec<PublicHost>,
}

impl PublicHosts {
    pub fn overrides(&self) -> Overrides {
        Overrides { public_hosts: self.hosts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn every_flag_says_its_environment_name_and_has_a_help() {
        Cli::command().debug_assert();
        for name in ["serve", "controller", "envoy"] {
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
        assert!(serve.redis_url.is_none() && serve.public.overrides().public_hosts.is_empty());
        assert!(parse("mcp-gateway serve").is_err());
        assert!(parse("mcp-gateway check").is_err());
        assert!(parse("mcp-gateway check --schema").is_ok());
    }

    #[test]
    fn the_configuration_comes_from_a_file_or_a_secret() {
        let Command::Serve(serve) =
            parse("mcp-gateway serve --config-secret mcp-gateway-config --session-key-secret key").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            serve.origin.secret.unwrap().in_namespace("mcp-system").to_string(),
            "mcp-system/mcp-gateway-config"
        );
        assert!(serve.origin.file.is_none() && serve.session_key_secret.is_some());
        for wrong in [
            "mcp-gateway serve --config a --config-secret b",
            "mcp-gateway serve --config-secret a/b/c",
            "mcp-gateway serve --config a --session-key-file b --session-key-secret c",
            "mcp-gateway envoy --config-secret a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_read_and_a_redis_url_is_not_shown() {
        let line = "mcp-gateway serve --config a --public-host A.example.com,b.example.com --redis-url redis://:hunter2@h";
        let Command::Serve(serve) = parse(line).unwrap() else { panic!() };
        let hosts = serve.public.overrides().public_hosts;
        assert_eq!(
            hosts.iter().map(PublicHost::as_str).collect::<Vec<_>>(),
            ["a.example.com", "b.example.com"]
        );
        assert!(!format!("{serve:?}").contains("hunter2"));
        assert!(parse("mcp-gateway serve --config a --public-host a:80").is_err());
    }
}
