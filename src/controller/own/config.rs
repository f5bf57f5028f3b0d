//! The Secrets that hold a configuration.

use serde_json::Value;

use super::CONFIG_SECRET;
use crate::{
    controller::{
        Body, Write,
        object::{Key, Kind},
    },
    routing::Spec,
    source::{Shard, TooLarge, print, split},
};

/// Writes of the Secrets of `spec` in `namespace`, in the order in which they should be done.
pub fn config_secrets(namespace: &str, spec: &Spec, owners: &[Value]) -> Result<Vec<Write>, TooLarge> {
    let shards = split(CONFIG_SECRET, &print(spec))?;
    let write = |Shard { name, entries }| Write::Apply {
        kind: Kind::OwnSecret,
        key: Key::new(namespace, name),
        body: Body::Secret { entries, owners: owners.to_vec() },
    };
    Ok(shards.into_iter().map(write).collect())
}
