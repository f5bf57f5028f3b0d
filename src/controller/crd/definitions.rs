//! The definitions that a cluster is given, made of the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

use super::{MCPGatewayExtension, MCPServerRegistration, MCPVirtualServer};

/// One `CustomResourceDefinition`.
#[derive(Clone, Debug)]
pub struct Definition {
    /// `GROUP_PLURAL.yaml`, as the file of a definition is usually named.
    pub file: String,
    pub object: Value,
}

impl Definition {
    /// As a YAML document, with a line on where it comes from.
    pub fn to_yaml(&self) -> String {
        // A tree of JSON values has nothing that YAML could not write; JSON is YAML, should it still fail.
        let yaml =
            serde_saphyr::to_string(&self.object).unwrap_or_else(|_unwritable| self.object.to_string());
        format!("---\n# Printed by `mcp-gateway crds`.\n{yaml}")
    }
}

/// The three of them, ready to be applied.
pub fn definitions() -> Result<Vec<Definition>, serde_json::Error> {
    let all = [MCPServerRegistration::crd(), MCPGatewayExtension::crd(), MCPVirtualServer::crd()];
    let definition = |crd: &CustomResourceDefinition| {
        let file = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        Ok(Definition { file, object: plain(serde_json::to_value(crd)?) })
    };
    all.iter().map(definition).collect()
}

fn plain(mut crd: Value) -> Value {
    let versions = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for schema in
        versions.into_iter().flatten().filter_map(|version| version.pointer_mut("/schema/openAPIV3Schema"))
    {
        tidy(schema);
        if let Some(status) = schema.pointer_mut("/properties/status") {
            without_defaults(status);
        }
    }
    crd
}

/// What `schemars` says and the API server does not need or know: `null` for what may be left out (the API server then
/// takes a given `null` for left out), unsigned formats, titles, whole numbers as fractions, line ends in descriptions.
fn tidy(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.retain(|name, value| {
        let is_unsigned = value.as_str().is_some_and(|format| format.starts_with("uint"));
        !(name == "nullable" || name == "title" && value.is_string() || name == "format" && is_unsigned)
    });
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(tidy),
            ("items", items) => tidy(items),
            ("description", Value::String(text)) => {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            ("minimum" | "maximum", Value::Number(number)) => whole(number),
            _ => {}
        }
    }
}

/// What a status leaves out is unknown; nothing stands in for it.
fn without_defaults(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.retain(|name, _| name != "default");
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(without_defaults);
    }
    fields.get_mut("items").map(without_defaults);
}

#[allow(clippy::cast_possible_truncation, reason = "only where the number stays the same")]
fn whole(number: &mut serde_json::Number) {
    if let Some(integer) = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15) {
        *number = (integer as i64).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_hold_nothing_that_an_api_server_does_not_know() {
        for definition in definitions().unwrap() {
            let text = definition.to_yaml();
            for unknown in ["uint", "nullable", "$ref", "oneOf", "anyOf", "const:", "title:"] {
                assert!(!text.contains(unknown), "{unknown} in {}", definition.file);
            }
            let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
            let status = definition.object.pointer(status).unwrap().to_string();
            assert!(!status.contains("\"default\""), "{status}");
        }
    }
}
