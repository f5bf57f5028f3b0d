//! What `serve` needs of Kubernetes: a client, and who it is there.

use anyhow::Result;
use kube::Client;

use crate::{
    config::{ObjectRef, Serve},
    kubernetes,
};

/// The API server, and which objects there are meant.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) config: Option<ObjectRef>,
    pub(super) session_key: Option<ObjectRef>,
    pub(super) report: Option<ObjectRef>,
    pub(super) instance: String,
}

impl Cluster {
    /// `None`: no flag names an object of Kubernetes. Does not connect yet.
    pub(super) async fn of(options: &Serve) -> Result<Option<Self>> {
        let named = [&options.origin.secret, &options.session_key_secret, &options.report];
        if named.iter().all(|object| object.is_none()) {
            return Ok(None);
        }
        let client = kubernetes::client().await?;
        let namespace = options.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        let [config, session_key, report] =
            named.map(|object| object.as_ref().map(|object| object.in_namespace(&namespace)));
        let instance = options.instance.clone().unwrap_or_else(host_name);
        Ok(Some(Self { client, config, session_key, report, instance }))
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "mcp-gateway".to_owned() } else { name.to_owned() }
}
