//! The errors that Envoy answers itself, as JSON-RPC: no client is left with an empty body.

use serde_json::{Value, json};

/// Errors of Envoy's own: status, JSON-RPC code, text. The `id` is null, for Envoy does not read the request.
const ERRORS: [(u16, i32, &str); 10] = [
    (400, -32600, "the request is not valid HTTP for this gateway"),
    (403, -32600, "this host is reached only through the gateway"),
    (404, -32600, "no gateway is at this host"),
    (408, -32600, "the request took too long to arrive"),
    (413, -32600, "the request is larger than the gateway's limit"),
    (431, -32600, "the request's headers are larger than the gateway's limit"),
    (500, -32603, "the gateway's router could not be reached; try again"),
    (502, -32603, "the server broke off its answer"),
    (503, -32603, "the server could not be reached; try again"),
    (504, -32603, "the server or the gateway's router did not answer in time"),
];
/// For any other status.
const OTHER: (i32, &str) = (-32603, "the gateway refused the request");

/// True of what is not JSON already: the router's answers and our direct ones are (CEL).
const NOT_JSON_YET: &str = "!('content-type' in response.headers) || \
                            !response.headers['content-type'].startsWith('application/json')";

/// A JSON-RPC error without an id.
pub(super) fn body(code: i32, message: &str) -> String {
    json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}).to_string()
}

/// `HttpConnectionManager.local_reply_config`: answers that are JSON already, the router's, stay as they are.
pub(super) fn local_reply_config() -> Value {
    let known = ERRORS.iter().map(|(status, code, message)| mapper(Some(*status), *code, message));
    let mappers: Vec<Value> = known.chain([mapper(None, OTHER.0, OTHER.1)]).collect();
    json!({"mappers": mappers})
}

fn mapper(status: Option<u16>, code: i32, message: &str) -> Value {
    let (op, value, key) = match status {
        Some(status) => ("EQ", status, format!("mcp_gateway.{status}")),
        None => ("GE", 400, "mcp_gateway.other".to_owned()),
    };
    json!({
        "filter": {"and_filter": {"filters": [
            {"status_code_filter": {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": key}}}},
            {"extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": NOT_JSON_YET,
                },
            }},
        ]}},
        "body_format_override": {
            "text_format_source": {"inline_string": body(code, message)},
            "content_type": "application/json",
        },
    })
}
