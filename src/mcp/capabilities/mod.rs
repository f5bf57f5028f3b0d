//! What clients and servers announce in `initialize`, as bits.

mod client;
mod server;

pub use client::ClientCapabilities;
pub use server::ServerCapabilities;

use serde_json::{Map, Value};

/// Puts what announces a capability at `place` (a JSON pointer), and the objects around it where they are missing.
fn announce(capabilities: &mut Map<String, Value>, place: &str) {
    let Some((first, rest)) = place.trim_start_matches('/').split_once('/') else {
        let key = place.trim_start_matches('/');
        let is_flag = matches!(key, "listChanged" | "subscribe"); // the others are objects (2025-11-25, schema)
        let said = if is_flag { Value::Bool(true) } else { Value::Object(Map::new()) };
        capabilities.entry(key).or_insert(said);
        return;
    };
    let inner = capabilities.entry(first).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        announce(inner, rest);
    }
}
