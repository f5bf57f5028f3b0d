//! Where the API server is, and as whom it is asked.

use anyhow::{Context as _, Result};
use kube::{Client, Config, config::KubeConfigOptions};

/// As the pod's `ServiceAccount` in a pod, else as the kubeconfig (`KUBECONFIG`) says.
pub(crate) async fn client() -> Result<Client> {
    let is_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let config = if is_pod {
        Config::incluster().context("cannot use the ServiceAccount of this pod")?
    } else {
        let found = Config::from_kubeconfig(&KubeConfigOptions::default()).await;
        found.context("cannot find the API server: run in a pod, or name a kubeconfig with KUBECONFIG")?
    };
    Client::try_from(config).context("cannot connect to the API server")
}
