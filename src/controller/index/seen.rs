//! What is looked up often while everything is computed once.

use super::{attach::Attachments, cluster::Cluster, host::ByHost};
use crate::controller::object::{
    Named,
    istio::{DestinationRule, ServiceEntry},
};

/// The cluster, and ways into it.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) attachments: Attachments<'a>,
    pub(super) service_entries: ByHost<'a, Named<ServiceEntry>>,
    pub(super) destination_rules: ByHost<'a, Named<DestinationRule>>,
}

impl<'a> Seen<'a> {
    pub(super) fn of(cluster: &'a Cluster) -> Self {
        let mut seen = Self {
            cluster,
            attachments: Attachments::of(cluster),
            service_entries: ByHost::default(),
            destination_rules: ByHost::default(),
        };
        for entry in cluster.service_entries.values() {
            for host in &entry.view.spec.hosts {
                seen.service_entries.add(host, entry);
            }
        }
        for rule in cluster.destination_rules.values() {
            seen.destination_rules.add(&rule.view.spec.host, rule);
        }
        seen
    }
}

/// Whether what is exported to `export_to` from `namespace` is seen in `other`; an empty list exports to all.
pub(super) fn is_exported(export_to: &[String], namespace: &str, other: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|to| match to.as_str() {
            "*" => true,
            "." => namespace == other,
            to => to == other,
        })
}
