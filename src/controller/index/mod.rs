//! The state of the cluster as far as it is known, and what should be written to it; pure.
//!
//! ```text
//!  [ Registration ] -> [ HTTPRoute ] -> accepted parents -> [ Gateway ] listeners <- [ Extension ]
//!         |                  \-> backend -> [ Service ], [ ServiceEntry ] <- [ DestinationRule ]
//!         \-> [ Secret ]
//!
//!  all of it -> one routing::Spec for each extension -> what is not so yet -> Vec<Write>
//! ```
//!
//! **Invariant**: everything is computed anew each time, from what is there: the same objects give the same writes.

mod attach;
mod backend;
mod claim;
mod cluster;
mod contest;
mod credential;
mod desired;
mod extension;
mod gateway_spec;
mod grant;
mod host;
mod listener;
mod place;
mod registration;
mod rule;
mod same;
mod seen;
mod spot;
mod statuses;
#[cfg(test)]
mod tests;
mod tls;
mod virtual_server;

use self::cluster::Cluster;
use super::{
    Unwritten, Write,
    object::{Key, Kind, Object},
};

/// What does not come from the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the data plane's Service in each extension's namespace.
    pub service: String,
    /// `cluster.local`.
    pub cluster_domain: String,
}

/// All objects that were seen, by kind.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    cluster: Cluster,
}

impl Index {
    pub fn new(settings: Settings) -> Self {
        Self { settings, cluster: Cluster::default() }
    }

    /// Takes in a new or changed object. One that is being deleted counts as gone.
    pub fn apply(&mut self, object: Object) {
        self.cluster.apply(object);
    }

    /// An object is gone.
    pub fn delete(&mut self, kind: Kind, key: &Key) {
        self.cluster.delete(kind, key);
    }

    /// Whether the cluster has the kind at all. Kinds are present until it is said that they are not.
    pub fn present(&mut self, kind: Kind, is_present: bool) {
        if is_present {
            self.cluster.absent.remove(&kind);
        } else {
            self.cluster.absent.insert(kind);
        }
    }

    /// What the writer could not write until now.
    pub fn unwritten(&mut self, unwritten: Unwritten) {
        self.cluster.unwritten = unwritten;
    }

    /// A data plane's `instance` has not renewed its report for too long: it counts no more, until the report's text
    /// is another.
    pub fn silence(&mut self, namespace: &str, instance: &str) {
        self.cluster.silence(namespace, instance);
    }

    /// What must be written so that the cluster is as it should be; nothing when it is. `now`: RFC 3339, for
    /// `lastTransitionTime`.
    ///
    /// Only for a cluster of which every kind was listed: what was not seen counts as gone, and what belongs to it
    /// is deleted.
    pub fn writes(&self, now: &str) -> Vec<Write> {
        let seen = seen::Seen::of(&self.cluster);
        let extensions = extension::all(&self.settings, &seen);
        let registrations = registration::all(&self.settings, &seen, &extensions);
        let virtual_servers = virtual_server::all(&self.cluster);
        let mut writes = desired::all(&self.settings, &seen, &extensions, &registrations, &virtual_servers);
        writes.extend(statuses::all(&seen, &extensions, &registrations, &virtual_servers, now));
        writes
    }
}
