//! What every puppet offers: all of it has the same names in each, and every answer says whose it is.

use serde_json::{Value, json};

use crate::puppet::TASK;

/// A resource that both have.
pub(crate) const SHARED: &str = "test://shared";
/// One of a template that both have.
pub(crate) const ITEM: &str = "test://items/7";
const ITEMS: &str = "test://items/";

#[derive(Debug)]
pub(crate) struct Offers {
    name: &'static str,
    tools: Vec<&'static str>,
    prompts: Vec<&'static str>,
    uris: Vec<String>,
}

pub(crate) fn capabilities() -> Value {
    json!({
        "completions": {},
        "logging": {},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
        "tools": {"listChanged": true},
    })
}

impl Offers {
    pub(crate) fn of(name: &'static str) -> Self {
        let uris = vec![SHARED.to_owned(), format!("test://{name}/own")];
        Self { name, tools: vec!["echo", "wait"], prompts: vec!["greet"], uris }
    }

    pub(crate) fn grow(&mut self) {
        self.tools.push("novel");
        self.prompts.push("novel");
        self.uris.push(format!("test://{}/novel", self.name));
    }

    /// The result, or the code and the text of an error.
    pub(crate) fn answer(&self, method: &str, params: &Value, session: &str) -> Result<Value, (i64, String)> {
        let text = json!({"type": "text", "text": self.name});
        let name = params["name"].as_str().unwrap_or_default();
        let uri = params["uri"].as_str().unwrap_or_default();
        Ok(match method {
            "tools/list" => json!({"tools": self.tools.iter().map(|name| tool(name)).collect::<Vec<_>>()}),
            "prompts/list" => json!({"prompts": named(&self.prompts)}),
            "resources/list" => {
                json!({"resources": self.uris.iter().map(|uri| json!({"uri": uri, "name": uri})).collect::<Vec<_>>()})
            }
            "resources/templates/list" => {
                json!({"resourceTemplates": [{"uriTemplate": format!("{ITEMS}{{id}}"), "name": "items"}]})
            }
            "tools/call" if self.tools.contains(&name) => json!({"content": [text]}),
            "prompts/get" if self.prompts.contains(&name) => {
                let linked = json!({"type": "resource", "resource": {"uri": SHARED, "text": self.name}});
                json!({"messages": [{"role": "user", "content": text}, {"role": "user", "content": linked}]})
            }
            "resources/read" if self.has(uri) => json!({"contents": [{"uri": uri, "text": self.name}]}),
            "completion/complete" => json!({"completion": {"values": [self.name]}}),
            "tasks/get" | "tasks/cancel" if params["taskId"] == TASK => task("working"),
            "tasks/result" if params["taskId"] == TASK => {
                json!({"content": [text], "_meta": {"io.modelcontextprotocol/related-task": {"taskId": TASK}}})
            }
            "tasks/list" => json!({"tasks": [task("working")]}),
            "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => json!({}),
            _ => return Err((-32602, format!("{} in {session}: {method} of {params}?", self.name))),
        })
    }

    fn has(&self, uri: &str) -> bool {
        uri.starts_with(ITEMS) || self.uris.iter().any(|known| known == uri)
    }
}

/// The state of the one task.
pub(crate) fn task(status: &str) -> Value {
    let then = "2025-11-25T10:30:00Z";
    json!({"taskId": TASK, "status": status, "createdAt": then, "lastUpdatedAt": then, "ttl": 60000})
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}, "execution": {"taskSupport": "optional"}})
}

fn named(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"name": name})).collect()
}
