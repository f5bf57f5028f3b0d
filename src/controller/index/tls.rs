//! Envoy's connection to an external server: whether it is encrypted, to whom, and who else shapes it.

use super::{
    backend::Backend,
    host,
    seen::{Seen, is_exported},
};
use crate::controller::{
    object::{
        Named,
        istio::{DestinationRule, Tls},
    },
    status::{Check, Finding, reason},
};

/// Where Istio keeps what counts everywhere.
pub(super) const ROOT_NAMESPACE: &str = "istio-system";

/// Refuses what would hand a credential to the wrong party; without a credential it is a warning.
pub(super) fn judge(
    seen: &Seen<'_>,
    backend: &Backend<'_>,
    gateway: &str,
    has_credential: bool,
    warnings: &mut Vec<Finding>,
) -> Check {
    let Some(entry) = backend.entry else { return Ok(()) };
    let finding = if backend.is_tls {
        let own = entry.metadata.namespace.as_deref().unwrap_or_default();
        match rule(seen, &backend.host, own, gateway) {
            Err(finding) => finding,
            Ok(rule) => match check(rule, backend, &entry.view.spec.subject_alt_names) {
                Ok(()) => return Ok(()),
                Err(finding) => finding,
            },
        }
    } else {
        let message = format!("{}:{} is not encrypted; use a port with TLS", backend.host, backend.port);
        if has_credential {
            warnings.push(Finding::new(reason::PLAINTEXT, message));
        }
        return Ok(());
    };
    if has_credential && finding.reason != reason::HOST_NAME_NOT_VERIFIED {
        return Err(finding);
    }
    warnings.push(finding);
    Ok(())
}

/// The rule that counts for the Gateway: of its own namespace, of the server's, or of Istio's.
fn rule<'a>(seen: &Seen<'a>, host: &str, own: &str, gateway: &str) -> Check<&'a Named<DestinationRule>> {
    let rules = seen.destination_rules.get(host);
    let namespace = |rule: &Named<DestinationRule>| rule.metadata.namespace.clone().unwrap_or_default();
    let counts = |rule: &&Named<DestinationRule>, wanted: &str| {
        let namespace = namespace(rule);
        namespace == wanted
            && (wanted == gateway || is_exported(&rule.view.spec.export_to, &namespace, gateway))
    };
    let found = [gateway, own, ROOT_NAMESPACE]
        .iter()
        .find_map(|wanted| rules.iter().find(|rule| counts(rule, wanted)).copied());
    found.ok_or_else(|| {
        let fix = format!(
            "create one in namespace {own} with trafficPolicy.tls.mode SIMPLE and subjectAltNames [{host}]"
        );
        let message = match rules.first() {
            None => format!(
                "no DestinationRule makes Envoy use TLS to {host}: requests would go there in plaintext; \
                 {fix}"
            ),
            Some(rule) => format!(
                "DestinationRule {} does not count for Gateways of namespace {gateway}: requests to {host} \
                 would go there in plaintext; {fix}, exported to namespace {gateway}",
                rule.key()
            ),
        };
        Finding::new(reason::PLAINTEXT, message)
    })
}

/// Host and port of an external server with which Envoy's connections are nobody's but its own to shape.
pub(super) fn plain_service(seen: &Seen<'_>, backend: &Backend<'_>, gateway: &str) -> Option<(String, u16)> {
    let own = backend.entry?.metadata.namespace.as_deref().unwrap_or_default();
    let is_shaped = rule(seen, &backend.host, own, gateway).is_ok_and(|rule| {
        let policy = &rule.view.spec.traffic_policy;
        !policy.connection_pool.is_null()
            || policy.port_level_settings.iter().any(|of_port| !of_port.connection_pool.is_null())
    });
    (backend.is_plain && !is_shaped).then(|| (backend.host.clone(), backend.port))
}

fn check(rule: &Named<DestinationRule>, backend: &Backend<'_>, entry_names: &[String]) -> Check {
    let policy = &rule.view.spec.traffic_policy;
    // settings of a port replace the rule's, they do not add to them
    let of_port = policy.port_level_settings.iter().find(|it| it.port.number == backend.port);
    let tls = of_port.map_or(policy.tls.as_ref(), |of_port| of_port.tls.as_ref());
    let (key, host) = (rule.key(), &backend.host);
    let Some(Tls { sni, subject_alt_names, insecure_skip_verify, .. }) =
        tls.filter(|tls| matches!(tls.mode.as_str(), "SIMPLE" | "MUTUAL"))
    else {
        let message = format!(
            "DestinationRule {key} sets no TLS for port {}: requests to {host} would go there in \
             plaintext; set trafficPolicy.tls.mode to SIMPLE",
            backend.port
        );
        return Err(Finding::new(reason::PLAINTEXT, message));
    };
    if *insecure_skip_verify == Some(true) {
        let message = format!(
            "DestinationRule {key} has insecureSkipVerify: anybody could answer for {host}; remove it and \
             set subjectAltNames [{host}]"
        );
        return Err(Finding::new(reason::CERTIFICATE_NOT_VERIFIED, message));
    }
    let names = if subject_alt_names.is_empty() { entry_names } else { subject_alt_names };
    if let Some(name) = names.iter().find(|name| !host::covers(name, host)) {
        let message = format!(
            "DestinationRule {key} takes a certificate for {name}, which is not {host}; set subjectAltNames [{host}]"
        );
        return Err(Finding::new(reason::CERTIFICATE_NOT_VERIFIED, message));
    }
    if !sni.is_empty() && subject_alt_names.is_empty() && entry_names.is_empty() {
        let message = format!(
            "DestinationRule {key} has sni without subjectAltNames: a certificate for any name passes for \
             {host}; add subjectAltNames [{host}]"
        );
        return Err(Finding::new(reason::HOST_NAME_NOT_VERIFIED, message));
    }
    Ok(())
}
