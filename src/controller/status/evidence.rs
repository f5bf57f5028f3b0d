//! What the data planes of one extension say of a server.

use super::{Check, Finding, reason};
use crate::{
    controller::object::Key,
    report::{Report, ServerReport},
};

/// One extension that should serve something, and the instances that report.
#[derive(Clone, Debug)]
pub struct Serving<'a> {
    pub extension: &'a Key,
    /// Of the server as it is configured there; empty for what has none.
    pub fingerprint: String,
    /// Instances that keep their report up to date, by name.
    pub instances: Vec<(&'a str, &'a Report)>,
}

impl<'a> Serving<'a> {
    /// Refuses an extension without any instance.
    pub(super) fn is_alive(&self) -> Check {
        if self.instances.is_empty() {
            let namespace = &self.extension.namespace;
            let message = format!(
                "MCPGatewayExtension {}: no instance of the data plane reports in namespace {namespace}; \
                 see whether its Deployment runs and may patch ConfigMap {namespace}/mcp-gateway-status",
                self.extension
            );
            return Err(Finding::new(reason::NO_DATA_PLANE, message));
        }
        Ok(())
    }

    pub(super) fn of_server(&self, name: &str) -> impl Iterator<Item = (&'a str, Option<&'a ServerReport>)> {
        self.instances.iter().map(move |(instance, report)| (*instance, report.servers.get(name)))
    }

    /// Refuses what has not been seen to be served through the Gateway by every instance.
    pub(super) fn serves(&self, name: &str) -> Check {
        self.is_alive()?;
        let place = |instance| format!("instance {instance} of MCPGatewayExtension {}", self.extension);
        for (instance, server) in self.of_server(name) {
            let Some(server) = server.filter(|server| server.fingerprint == self.fingerprint) else {
                let message = format!(
                    "{} has not loaded this configuration yet; it does so within seconds",
                    place(instance)
                );
                return Err(Finding::new(reason::PENDING, message));
            };
            match server.routed {
                Some(true) => {}
                Some(false) => {
                    let error = server.route_error.as_deref().unwrap_or("no answer");
                    let message = format!(
                        "{} does not reach the server through the Gateway: {error}; see the conditions of \
                         the HTTPRoute and of the MCPGatewayExtension",
                        place(instance)
                    );
                    return Err(Finding::new(reason::NOT_ROUTED, message));
                }
                None => {
                    let message =
                        format!("{} has not tried the way through the Gateway yet", place(instance));
                    return Err(Finding::new(reason::PENDING, message));
                }
            }
        }
        Ok(())
    }

    /// Refuses a disabled server that an instance still has as it was.
    pub(super) fn has_dropped(&self, name: &str) -> Check {
        self.is_alive()?;
        match self
            .of_server(name)
            .find(|(_, server)| server.is_some_and(|server| server.fingerprint != self.fingerprint))
        {
            Some((instance, _)) => Err(Finding::new(
                reason::PENDING,
                format!(
                    "instance {instance} of MCPGatewayExtension {} has not loaded this configuration yet; \
                     it does so within seconds",
                    self.extension
                ),
            )),
            None => Ok(()),
        }
    }
}
