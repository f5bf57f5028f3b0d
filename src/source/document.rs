//! The configuration file as written: field names, and what they mean to whoever writes one.
//!
//! The JSON Schema that is made of these types is the one truth about names and types; every field is optional
//! here, so that a file with mistakes in some fields can still be checked in the others.

use schemars::{
    JsonSchema, Schema, SchemaGenerator, json_schema,
    transform::{RecursiveTransform, Transform},
};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

use crate::credentials::credential;

/// Configuration of one gateway: the host that clients name, and the MCP servers behind it. YAML or JSON.
///
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "mcp-gateway configuration", example = example())]
pub(super) struct Document {
    /// Host, or list of hosts, that clients name: without scheme and port; every port matches. Needed here or
    /// as `--public-host`, which goes before this field.
    #[serde(default, deserialize_with = "one_or_more")]
    #[schemars(schema_with = "one_or_more_schema", example = "mcp.example.com")]
    pub(super) public_host: Option<Vec<Option<String>>>,

    /// Web origins (`https://host[:port]`) whose pages may call, besides the public hosts' own.
    #[serde(default)]
    #[schemars(with = "Vec<String>", example = ["https://inspector.example.com"])]
    pub(super) allowed_origins: Option<Vec<Option<String>>>,

    /// The MCP servers, at most 10000. Where two offer the same tool name, the earlier one has it.
    #[serde(default)]
    #[schemars(with = "Vec<Server>")]
    pub(super) servers: Option<Vec<Option<Server>>>,

    /// Named subsets of the tools, reached at `/mcp/virtual/NAME`.
    #[serde(default)]
    #[schemars(with = "Vec<VirtualServer>")]
    pub(super) virtual_servers: Option<Vec<Option<VirtualServer>>>,

    /// Refuse `tools/list` and `tools/call` without a session, also where no server needs one.
    #[serde(default)]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) require_session: Option<bool>,

    /// Where the gateway reaches Envoy for its own requests: `host:port`, with `http://` or `https://` before it.
    /// In place of `--private-host`.
    #[serde(default)]
    #[schemars(with = "String", example = "mcp-gateway-istio.gateway-system.svc.cluster.local:8080")]
    pub(super) private_host: Option<String>,

    #[serde(default)]
    #[schemars(with = "Discovery")]
    pub(super) discovery: Option<Discovery>,

    #[serde(default)]
    #[schemars(with = "Limits")]
    pub(super) limits: Option<Limits>,
}

/// One MCP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Server {
    /// `name`, or `namespace/name` as in Kubernetes: lower case letters, digits, `-` and `.`; unique.
    #[schemars(with = "String", example = "mcp-test/github")]
    pub(super) name: Option<String>,

    /// Where the server is: `http` or `https`, host, port and path. Its path is `/mcp` when none is written.
    #[schemars(with = "String", example = "https://api.githubcopilot.com/mcp/")]
    pub(super) url: Option<String>,

    /// The host that Envoy routes on, unique and never a public host. No DNS needs to know it. By default
    /// `NAME.mcp.local`, or `NAME.NAMESPACE.mcp.local` where the name has a namespace.
    #[serde(default)]
    #[schemars(with = "String", example = "github.mcp.local")]
    pub(super) hostname: Option<String>,

    /// Stands before the names of the server's tools: lower case letters, digits and `_`.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = ""), example = &"github_")]
    pub(super) tool_prefix: Option<String>,

    /// Path of the server's endpoint, in place of the one in `url`.
    #[serde(default)]
    #[schemars(with = "String", example = "/v1/mcp")]
    pub(super) path: Option<String>,

    /// File with the value of the server's `authorization` header; relative to this file. Re-read on change.
    #[serde(default)]
    #[schemars(with = "String", example = "/etc/mcp/github")]
    pub(super) credential_file: Option<String>,

    /// Value of the server's `authorization` header; `credentialFile` keeps it out of this file.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "String", example = "Bearer ...")]
    pub(super) credential: Option<Result<SecretString, String>>,

    /// What of the credential goes with a tool call. `whenAbsent`: `x-mcp-api-key` always, `authorization` where
    /// the client sent none. `replace`: both always. `never`: nothing, it is for discovery only.
    #[serde(default)]
    #[schemars(with = "CallCredential", extend("default" = "whenAbsent"))]
    pub(super) call_credential: Option<CallCredential>,

    /// Whether the server's tools are offered.
    #[serde(default)]
    #[schemars(with = "bool", extend("default" = true))]
    pub(super) enabled: Option<bool>,

    /// PEM file of the authorities that sign the server's certificate, in place of the system's; relative to
    /// this file.
    #[serde(default)]
    #[schemars(with = "String", example = "/etc/mcp/internal-ca.pem")]
    pub(super) ca_bundle: Option<String>,

    #[serde(default)]
    #[schemars(with = "Timeouts")]
    pub(super) timeouts: Option<Timeouts>,
}

/// See [`crate::routing::CallCredential`].
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) enum CallCredential {
    WhenAbsent,
    Replace,
    Never,
}

/// Limits in time of the gateway's own requests to the server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Timeouts {
    /// To connect, TLS included: a whole number and `ms`, `s` or `m`; at most `60m`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m)$"), extend("default" = "5s"))]
    pub(super) connect: Option<String>,

    /// To the end of an answer that is not a stream; as `connect`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m)$"), extend("default" = "30s"))]
    pub(super) request: Option<String>,
}

/// A named subset of what the servers offer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VirtualServer {
    /// `name` or `namespace/name`; unique among the virtual servers.
    #[schemars(with = "String", example = "mcp-test/readers")]
    pub(super) name: Option<String>,

    /// The tools, by the names that clients see: prefix included. At least one.
    #[schemars(with = "Vec<String>", example = ["github_get_me"])]
    pub(super) tools: Option<Vec<Option<String>>>,

    /// The prompts, by the names that clients see. Absent: all of the servers whose tools it has.
    #[schemars(with = "Option<Vec<String>>", example = ["github_review"])]
    pub(super) prompts: Option<Vec<Option<String>>>,

    /// The resources, by the URIs and URI templates that clients see. Absent: all of the servers whose tools it has.
    #[schemars(with = "Option<Vec<String>>", example = ["repo://{owner}/{name}"])]
    pub(super) resources: Option<Vec<Option<String>>>,

    /// For whoever reads the file.
    #[serde(default, rename = "description")]
    #[schemars(with = "String")]
    pub(super) _description: Option<String>,
}

/// How the gateway learns of the servers' tools.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Discovery {
    /// Between lists of a server that announces no change: a whole number and `ms`, `s` or `m`; `10s` to `120m`.
    /// Without it the gateway keeps its own pace.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m)$"), example = "60s")]
    pub(super) interval: Option<String>,
}

/// Limits on what one request may cost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Limits {
    /// Largest request body: bytes, or a whole number and `KiB` or `MiB`; `1KiB` to `64MiB`.
    #[serde(default)]
    #[schemars(schema_with = "size_schema", extend("default" = "4MiB"))]
    pub(super) body: Option<Size>,

    /// Tools on a page of `tools/list`; 0: all on one page.
    #[serde(default)]
    #[schemars(with = "u32", range(max = 100_000), extend("default" = 0))]
    pub(super) page: Option<Number>,
}

/// A size as written.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Bytes(Number),
    Text(String),
}

/// The JSON Schema of the file (draft 2020-12).
pub(super) fn schema() -> Schema {
    let mut schema = schemars::schema_for!(Document);
    RecursiveTransform(tidy).transform(&mut schema);
    schema
}

/// `null` is no value that a file may have, and a description is one line.
fn tidy(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let description = schema.get("description").and_then(Value::as_str).map(|text| text.replace('\n', " "));
    if let Some(description) = description {
        schema.insert("description".to_owned(), description.into());
    }
}

fn example() -> Value {
    serde_json::json!({
        "publicHost": "mcp.example.com",
        "servers": [{
            "name": "github",
            "url": "https://api.githubcopilot.com/mcp/",
            "toolPrefix": "github_",
            "credentialFile": "/etc/mcp/github",
        }],
        "limits": {"body": "4MiB"},
    })
}

fn one_or_more_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
}

fn size_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "integer"], "pattern": "^[0-9]+(KiB|MiB)?$"})
}

type Texts = Vec<Option<String>>;

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Texts>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Texts),
    }
    Ok(Option::deserialize(deserializer)?.map(|written| match written {
        OneOrMore::One(one) => vec![Some(one)],
        OneOrMore::More(more) => more,
    }))
}

/// Checked at once, so that the text is nowhere without its wrapping.
fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Result<SecretString, String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?
        .map(|text| credential(&text).map_err(|bad| bad.to_string())))
}
