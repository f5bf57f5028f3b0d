//! What a client announces in `initialize`, as the bits that its session id carries.

use serde_json::{Map, Value};

use super::announce;

/// What a client can be asked, as bits that the gateway session id carries. They are written into session
/// ids: a bit is added, never given another meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities(pub u32);

impl ClientCapabilities {
    pub const ROOTS: u32 = 1;
    pub const ROOTS_LIST_CHANGED: u32 = 1 << 1;
    pub const SAMPLING: u32 = 1 << 2;
    pub const SAMPLING_CONTEXT: u32 = 1 << 3;
    pub const SAMPLING_TOOLS: u32 = 1 << 4;
    pub const ELICITATION_FORM: u32 = 1 << 5;
    pub const ELICITATION_URL: u32 = 1 << 6;
    pub const TASKS: u32 = 1 << 7;
    pub const TASKS_LIST: u32 = 1 << 8;
    pub const TASKS_CANCEL: u32 = 1 << 9;
    pub const TASKS_SAMPLING: u32 = 1 << 10;
    pub const TASKS_ELICITATION: u32 = 1 << 11;

    /// Where each stands in `capabilities` (2025-11-25, schema, `ClientCapabilities`).
    const PLACES: [(&str, u32); 12] = [
        ("/roots", Self::ROOTS),
        ("/roots/listChanged", Self::ROOTS_LIST_CHANGED),
        ("/sampling", Self::SAMPLING),
        ("/sampling/context", Self::SAMPLING_CONTEXT),
        ("/sampling/tools", Self::SAMPLING_TOOLS),
        ("/elicitation/form", Self::ELICITATION_FORM),
        ("/elicitation/url", Self::ELICITATION_URL),
        ("/tasks", Self::TASKS),
        ("/tasks/list", Self::TASKS_LIST),
        ("/tasks/cancel", Self::TASKS_CANCEL),
        ("/tasks/requests/sampling/createMessage", Self::TASKS_SAMPLING),
        ("/tasks/requests/elicitation/create", Self::TASKS_ELICITATION),
    ];

    /// Whether one of `bits` is announced.
    pub fn has_any(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// Reads the `params` of `initialize`; what is not understood is not announced.
    pub fn of(params: &[u8]) -> Self {
        let params: Value = serde_json::from_slice(params).unwrap_or_default();
        let capabilities = params.get("capabilities").unwrap_or(&Value::Null);
        let announced =
            |place| !matches!(capabilities.pointer(place), None | Some(Value::Null | Value::Bool(false)));
        let mut bits = 0;
        for (place, bit) in Self::PLACES {
            if announced(place) {
                bits |= bit;
            }
        }
        if announced("/elicitation") && !announced("/elicitation/url") {
            bits |= Self::ELICITATION_FORM; // an empty object stands for forms, as before there was anything else
        }
        Self(bits)
    }

    /// The `capabilities` that announce just this to a server: [`ClientCapabilities::of`] reads it back.
    pub fn declared(self) -> Value {
        let mut capabilities = Map::new();
        for (place, bit) in Self::PLACES {
            if !self.has_any(bit) {
                continue;
            }
            if bit == Self::ELICITATION_FORM && !self.has_any(Self::ELICITATION_URL) {
                announce(&mut capabilities, "/elicitation"); // as servers of every revision read it
            } else {
                announce(&mut capabilities, place);
            }
        }
        Value::Object(capabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_has_its_bit() {
        type C = ClientCapabilities;
        for (capabilities, bits) in [
            ("{}", 0),
            ("7", 0),
            (r#"{"roots":{}}"#, C::ROOTS),
            (r#"{"roots":{"listChanged":true}}"#, C::ROOTS | C::ROOTS_LIST_CHANGED),
            (r#"{"roots":{"listChanged":false}}"#, C::ROOTS),
            (r#"{"sampling":{"tools":{}}}"#, C::SAMPLING | C::SAMPLING_TOOLS),
            (r#"{"elicitation":{}}"#, C::ELICITATION_FORM),
            (r#"{"elicitation":{"url":{}}}"#, C::ELICITATION_URL),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, C::ELICITATION_FORM | C::ELICITATION_URL),
            (r#"{"tasks":{"requests":{"elicitation":{"create":{}}}}}"#, C::TASKS | C::TASKS_ELICITATION),
        ] {
            let params = format!(r#"{{"capabilities":{capabilities}}}"#);
            assert_eq!(C::of(params.as_bytes()), ClientCapabilities(bits), "{capabilities}");
        }
        assert_eq!(C::of(b""), ClientCapabilities(0));
    }

    #[test]
    fn what_is_declared_to_a_server_is_what_the_client_announced() {
        type C = ClientCapabilities;
        let parents = [
            (C::ROOTS_LIST_CHANGED, C::ROOTS),
            (C::SAMPLING_CONTEXT | C::SAMPLING_TOOLS, C::SAMPLING),
            (C::TASKS_LIST | C::TASKS_CANCEL | C::TASKS_SAMPLING | C::TASKS_ELICITATION, C::TASKS),
        ];
        let mut checked = 0;
        for bits in (0..1 << C::PLACES.len()).map(ClientCapabilities) {
            if parents.iter().all(|&(children, parent)| !bits.has_any(children) || bits.has_any(parent)) {
                let params = serde_json::json!({"capabilities": bits.declared()}).to_string();
                assert_eq!(C::of(params.as_bytes()), bits, "{params}");
                checked += 1;
            }
        }
        assert_eq!(checked, 3 * 5 * 4 * 17, "every set that can be announced");
        assert_eq!(ClientCapabilities(0).declared(), serde_json::json!({}));
        let all = ClientCapabilities((1 << C::PLACES.len()) - 1).declared();
        let expected = serde_json::json!({
            "roots": {"listChanged": true},
            "sampling": {"context": {}, "tools": {}},
            "elicitation": {"form": {}, "url": {}},
            "tasks": {
                "list": {}, "cancel": {},
                "requests": {"sampling": {"createMessage": {}}, "elicitation": {"create": {}}},
            },
        });
        assert_eq!(all, expected);
        assert_eq!(
            ClientCapabilities(C::ELICITATION_FORM).declared(),
            serde_json::json!({"elicitation": {}})
        );
    }

    #[test]
    fn no_two_capabilities_share_a_bit() {
        let all = ClientCapabilities::PLACES.iter().fold(0, |all, (_, bit)| {
            assert_eq!(all & bit, 0);
            all | bit
        });
        assert_eq!(all, (1 << ClientCapabilities::PLACES.len()) - 1);
    }
}
