//! What a server announces in `initialize`, as bits.

use serde_json::{Map, Value};

use super::announce;

/// What a server offers (2025-11-25, schema, `ServerCapabilities`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCapabilities(pub u32);

impl ServerCapabilities {
    pub const TOOLS: u32 = 1;
    pub const TOOLS_LIST_CHANGED: u32 = 1 << 1;
    pub const PROMPTS: u32 = 1 << 2;
    pub const PROMPTS_LIST_CHANGED: u32 = 1 << 3;
    pub const RESOURCES: u32 = 1 << 4;
    pub const RESOURCES_SUBSCRIBE: u32 = 1 << 5;
    pub const RESOURCES_LIST_CHANGED: u32 = 1 << 6;
    pub const COMPLETIONS: u32 = 1 << 7;
    pub const LOGGING: u32 = 1 << 8;
    pub const TASKS: u32 = 1 << 9;
    pub const TASKS_LIST: u32 = 1 << 10;
    pub const TASKS_CANCEL: u32 = 1 << 11;
    pub const TASKS_TOOLS: u32 = 1 << 12;

    /// Where each stands in `capabilities`.
    const PLACES: [(&str, u32); 13] = [
        ("/tools", Self::TOOLS),
        ("/tools/listChanged", Self::TOOLS_LIST_CHANGED),
        ("/prompts", Self::PROMPTS),
        ("/prompts/listChanged", Self::PROMPTS_LIST_CHANGED),
        ("/resources", Self::RESOURCES),
        ("/resources/subscribe", Self::RESOURCES_SUBSCRIBE),
        ("/resources/listChanged", Self::RESOURCES_LIST_CHANGED),
        ("/completions", Self::COMPLETIONS),
        ("/logging", Self::LOGGING),
        ("/tasks", Self::TASKS),
        ("/tasks/list", Self::TASKS_LIST),
        ("/tasks/cancel", Self::TASKS_CANCEL),
        ("/tasks/requests/tools/call", Self::TASKS_TOOLS),
    ];

    /// Reads the `result` of `initialize`; what is not understood is not announced.
    pub fn of(result: &[u8]) -> Self {
        let result: Value = serde_json::from_slice(result).unwrap_or_default();
        let capabilities = result.get("capabilities").unwrap_or(&Value::Null);
        let announced =
            |place| !matches!(capabilities.pointer(place), None | Some(Value::Null | Value::Bool(false)));
        let bits = Self::PLACES.iter().filter(|(place, _)| announced(place)).map(|(_, bit)| bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// What one of the two announces.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The `capabilities` of the gateway's own `initialize`, for what its servers announce together (`union`). Tools
    /// are always there, and changes of each list are told by the gateway itself, whatever the servers do.
    pub fn announced(union: Self) -> Value {
        let mut bits = union.0 | Self::TOOLS | Self::TOOLS_LIST_CHANGED;
        for (list, changes) in
            [(Self::PROMPTS, Self::PROMPTS_LIST_CHANGED), (Self::RESOURCES, Self::RESOURCES_LIST_CHANGED)]
        {
            bits = if union.has(list) { bits | changes } else { bits & !changes };
        }
        let mut capabilities = Map::new();
        for (place, _) in Self::PLACES.iter().filter(|(_, bit)| bits & bit != 0) {
            announce(&mut capabilities, place);
        }
        Value::Object(capabilities)
    }

    /// Whether all of `bits` are announced.
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ServerCapabilities as S;

    #[test]
    fn the_gateway_announces_what_its_servers_do_and_always_tools() {
        assert_eq!(S::announced(S::default()), json!({"tools": {"listChanged": true}}));
        let some = S(S::PROMPTS | S::COMPLETIONS).union(S(S::RESOURCES | S::RESOURCES_SUBSCRIBE));
        let expected = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "completions": {},
        });
        assert_eq!(S::announced(some), expected);
    }

    #[test]
    fn what_all_servers_can_do_is_announced_whole() {
        let all = S::PLACES.iter().fold(S::default(), |all, (_, bit)| all.union(S(*bit)));
        let expected = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "completions": {},
            "logging": {},
            "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
        });
        assert_eq!(S::announced(all), expected);
        let result = json!({"capabilities": S::announced(all)}).to_string();
        assert_eq!(S::of(result.as_bytes()), all);
    }
}
