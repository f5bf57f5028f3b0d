//! Views of Istio's kinds.

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServiceEntry {
    #[serde(default)]
    pub spec: ServiceEntrySpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntrySpec {
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub ports: Vec<ServiceEntryPort>,
    /// Namespaces that see it; empty: all.
    #[serde(default)]
    pub export_to: Vec<String>,
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServiceEntryPort {
    pub number: u16,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct DestinationRule {
    #[serde(default)]
    pub spec: DestinationRuleSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRuleSpec {
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub export_to: Vec<String>,
    #[serde(default)]
    pub traffic_policy: TrafficPolicy,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(default)]
    pub port_level_settings: Vec<PortPolicy>,
    #[serde(default)]
    pub connection_pool: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortPolicy {
    #[serde(default)]
    pub port: PortSelector,
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(default)]
    pub connection_pool: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct PortSelector {
    #[serde(default)]
    pub number: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`.
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    pub sni: String,
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
    #[serde(default)]
    pub insecure_skip_verify: Option<bool>,
}

/// Whole: what the controller wants of it is compared with what is there.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EnvoyFilter {
    #[serde(default)]
    pub spec: Value,
}
