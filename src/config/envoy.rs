//! `mcp-gateway envoy`: its flags.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Configuration;
use crate::envoy::{self, Address, SYSTEM_CA_BUNDLE};

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
