//! Views of the core kinds.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// What `allowedRoutes` selects by is in the metadata's labels.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Namespace {}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    #[serde(default)]
    pub spec: ServiceSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP`, `ExternalName`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub external_name: String,
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    #[serde(default)]
    pub name: String,
    pub port: u16,
    #[serde(default)]
    pub app_protocol: Option<String>,
    /// A number, or the name of a container's port.
    #[serde(default)]
    pub target_port: Value,
}

/// A Secret, decoded; what is not UTF-8 text is left out.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Secret {
    #[serde(default, deserialize_with = "decoded")]
    pub data: BTreeMap<String, SecretString>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConfigMap {
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretString>, D::Error> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let written: BTreeMap<String, String> = Option::deserialize(deserializer)?.unwrap_or_default();
    let mut data = BTreeMap::new();
    for (key, value) in written {
        let bytes =
            STANDARD.decode(value).map_err(|_not_base64| D::Error::custom("a value is not base64"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            data.insert(key, SecretString::from(text));
        }
    }
    Ok(data)
}
