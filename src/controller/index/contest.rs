//! Who else says where a server's host is: Istio believes every `ServiceEntry` that the Gateway sees, whoever wrote it.

use super::{
    backend::Backend,
    seen::{Seen, is_exported},
    tls::ROOT_NAMESPACE,
};
use crate::controller::{
    object::{Named, istio::ServiceEntry},
    status::{Check, Finding, reason},
};

/// The entries of `host` that the Gateway's proxies see; Istio makes its one cluster of the first, which is the oldest.
pub(super) fn entries<'a>(seen: &Seen<'a>, host: &str, gateway: &str) -> Vec<&'a Named<ServiceEntry>> {
    let mut entries = seen.service_entries.get(host);
    entries.retain(|entry| is_exported(&entry.view.spec.export_to, namespace(entry), gateway));
    entries.sort_by_key(|entry| {
        let created = entry.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created.is_none(), created, entry.metadata.name.clone(), entry.metadata.namespace.clone())
    });
    entries
}

/// Refuses a credential to a host that a namespace without a say in it leads elsewhere; without a credential, or where
/// the foreign entry is the younger, it is a warning.
pub(super) fn judge(
    seen: &Seen<'_>,
    backend: &Backend<'_>,
    gateway: &str,
    has_credential: bool,
    warnings: &mut Vec<Finding>,
) -> Check {
    if !backend.is_external {
        return Ok(()); // an entry never takes a Service of the cluster
    }
    let has_a_say = [backend.namespace.as_str(), gateway, ROOT_NAMESPACE];
    let entries = entries(seen, &backend.host, gateway);
    let foreign = entries.iter().position(|entry| !has_a_say.contains(&namespace(entry)));
    let Some((at, foreign)) = foreign.and_then(|at| Some((at, entries.get(at)?))) else { return Ok(()) };
    let message = format!(
        "ServiceEntry {} of another namespace also says where {} is, and of several the Gateway believes the oldest; have \
         {} in namespace {}, {gateway} or {ROOT_NAMESPACE} alone, or let an admission policy say who may name it",
        foreign.key(),
        backend.host,
        backend.host,
        backend.namespace
    );
    let finding = Finding::new(reason::HOST_CONTESTED, message);
    if has_credential && at == 0 {
        return Err(finding);
    }
    warnings.push(finding);
    Ok(())
}

fn namespace(entry: &Named<ServiceEntry>) -> &str {
    entry.metadata.namespace.as_deref().unwrap_or_default()
}
