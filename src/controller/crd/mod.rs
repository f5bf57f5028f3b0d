//! The custom resources of `mcp.kagenti.com/v1alpha1`. The types are the definitions: `mcp-gateway crds` prints them.

#![allow(unreachable_pub, reason = "the derive repeats each type where it is not public")]

mod definitions;
mod extension;
mod registration;
mod status;
mod target;
mod virtual_server;

pub use definitions::{Definition, definitions};
pub use extension::{
    HttpRouteManagement, MCPGatewayExtension, MCPGatewayExtensionSpec, MCPGatewayExtensionStatus,
};
pub use registration::{
    CredentialPolicy, CredentialRef, MCPServerRegistration, MCPServerRegistrationSpec,
    MCPServerRegistrationStatus, RejectedTool, State,
};
pub use status::Condition;
pub use target::{GatewayRef, RouteRef};
pub use virtual_server::{MCPVirtualServer, MCPVirtualServerSpec, MCPVirtualServerStatus};

/// API group of the custom resources.
pub const GROUP: &str = "mcp.kagenti.com";
/// Their only version.
pub const VERSION: &str = "v1alpha1";
