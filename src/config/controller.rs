//! Flags of `mcp-gateway controller`.

#![allow(clippy::doc_markdown, reason = "the doc comments of flags are shown as plain text by --help")]

use std::net::SocketAddr;

use clap::Args;

use crate::telemetry::LogFormat;

#[derive(Args, Clone, Debug)]
pub struct Controller {
    /// Namespace of this pod, where the Lease is
    #[arg(long, value_name = "NAMESPACE", env = "MCP_GATEWAY_NAMESPACE")]
    pub namespace: String,
    /// Name of this pod: who holds the Lease
    #[arg(long, value_name = "NAME", env = "MCP_GATEWAY_INSTANCE")]
    pub instance: String,
    /// The Lease: of several controllers, the one that holds it writes
    #[arg(long, value_name = "NAME", env = "MCP_GATEWAY_LEASE", default_value = "mcp-controller")]
    pub lease: String,
    /// Service of the data plane, in the namespace of each MCPGatewayExtension
    #[arg(long, value_name = "NAME", env = "MCP_GATEWAY_SERVICE", default_value = "mcp-broker-router")]
    pub service: String,
    /// Domain of the cluster's Services
    #[arg(long, value_name = "DOMAIN", env = "MCP_GATEWAY_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Where /healthz, /readyz and /metrics are served (HTTP): IP:PORT
    #[arg(long, value_name = "ADDRESS", env = "MCP_GATEWAY_ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", env = "MCP_GATEWAY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, or directives such as info,mcp_gateway=debug
    #[arg(long, value_name = "FILTER", env = "MCP_GATEWAY_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}
