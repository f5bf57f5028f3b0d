//! `ReferenceGrant`: whether a namespace lets another one refer to its objects.

use super::cluster::{Cluster, of_namespace};
use crate::controller::{
    object::Key,
    status::{Check, Finding, reason},
};

/// Group and kind.
pub(super) type Type = (&'static str, &'static str);

pub(super) const REGISTRATION: Type = ("mcp.kagenti.com", "MCPServerRegistration");
pub(super) const EXTENSION: Type = ("mcp.kagenti.com", "MCPGatewayExtension");
pub(super) const GATEWAY: Type = ("gateway.networking.k8s.io", "Gateway");
pub(super) const HTTP_ROUTE: Type = ("gateway.networking.k8s.io", "HTTPRoute");
pub(super) const SERVICE: Type = ("", "Service");

/// Refuses a reference into another namespace that nothing there permits.
pub(super) fn check(cluster: &Cluster, from: Type, namespace: &str, to: Type, target: &Key) -> Check {
    if namespace == target.namespace {
        return Ok(());
    }
    let permits = of_namespace(&cluster.grants, &target.namespace).any(|(_, grant)| {
        let spec = &grant.view.spec;
        spec.from.iter().any(|it| (it.group.as_str(), it.kind.as_str()) == from && it.namespace == namespace)
            && spec.to.iter().any(|it| {
                (it.group.as_str(), it.kind.as_str()) == to
                    && it.name.as_deref().is_none_or(|name| name.is_empty() || name == target.name)
            })
    });
    if permits {
        return Ok(());
    }
    let message = format!(
        "{} {target} is in another namespace, which does not permit it; create a ReferenceGrant in \
         namespace {} from group {:?}, kind {}, namespace {namespace}, to group {:?}, kind {}",
        to.1, target.namespace, from.0, from.1, to.0, to.1
    );
    Err(Finding::new(reason::REF_NOT_PERMITTED, message))
}
