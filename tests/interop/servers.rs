//! The servers, and what is asked of each.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    common::{Everything, Process, fetched, peer},
    rust_server::RustServer,
    table::{locked, package, pinned},
};

/// How often progress is reported.
const STEPS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Tool,
    Progress,
    Prompt,
    Resource,
    Elicitation,
}

/// One thing that is asked, in the language of `tests/peers/client.py`.
pub(crate) struct Check {
    pub(crate) feature: Feature,
    pub(crate) ask: Value,
    pub(crate) holds: fn(&Value) -> bool,
}

pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// As the table calls it.
    pub(crate) title: String,
    pub(crate) url: String,
    pub(crate) checks: Vec<Check>,
    _running: Running,
}

/// Keeps it running.
#[allow(dead_code, reason = "held until it is dropped")]
enum Running {
    Everything(Everything),
    Python(Process),
    Rust(RustServer),
}

impl Server {
    pub(crate) fn prefix(&self) -> String {
        format!("{}_", self.name)
    }
}

/// All but `server-everything` offer the same URI: all but the first are read by the gateway's own form of it.
pub(crate) async fn servers() -> Vec<Server> {
    let (everything, fastmcp, python, python_1, rust) = tokio::join!(
        Everything::start(),
        python("fastmcp"),
        python("python"),
        python("python-1"),
        RustServer::start()
    );
    let note = |name: &str| format!("mcp-gateway://test/{name}/note://today");
    vec![
        Server {
            name: "everything",
            title: format!("server-everything {}", package("npm", "@modelcontextprotocol/server-everything")),
            url: everything.url(),
            checks: checks_of_everything(),
            _running: Running::Everything(everything),
        },
        Server {
            name: "fastmcp",
            title: format!("FastMCP {}", pinned("fastmcp.txt", "fastmcp")),
            url: fastmcp.0,
            checks: checks("fastmcp", "note://today"),
            _running: Running::Python(fastmcp.1),
        },
        Server {
            name: "python",
            title: format!("Python SDK {}", pinned("python.txt", "mcp")),
            url: python.0,
            checks: checks("python", &note("python")),
            _running: Running::Python(python.1),
        },
        Server {
            name: "older",
            title: format!("Python SDK {}", pinned("python-1.txt", "mcp")),
            url: python_1.0,
            checks: checks("older", &note("older")),
            _running: Running::Python(python_1.1),
        },
        Server {
            name: "rust",
            title: format!("rmcp {}", locked("rmcp")),
            url: rust.url.clone(),
            checks: checks("rust", &note("rust")),
            _running: Running::Rust(rust),
        },
    ]
}

/// `interop.py` on what is installed beside that interpreter.
async fn python(interpreter: &str) -> (String, Process) {
    let mut command = Command::new(fetched(interpreter));
    command.arg(peer("interop.py")).arg("0");
    let mut process = Process::spawn(interpreter, command);
    let line = process.wait_for_line("listening on http://").await;
    (line.trim_start_matches("listening on ").to_owned(), process)
}

/// What `interop.py` and the server in Rust are asked.
fn checks(name: &str, uri: &str) -> Vec<Check> {
    let call = |tool: &str, arguments: Value| json!({"op": "call", "name": format!("{name}_{tool}"), "arguments": arguments});
    vec![
        Check {
            feature: Feature::Tool,
            ask: call("echo", json!({"message": "hi"})),
            holds: |result| result["content"][0]["text"] == "Echo: hi",
        },
        Check {
            feature: Feature::Progress,
            ask: with_progress(call("steps", json!({}))),
            holds: |result| result["progress"].as_array().is_some_and(|progress| progress.len() == STEPS),
        },
        Check {
            feature: Feature::Prompt,
            ask: json!({"op": "prompt", "name": format!("{name}_greet")}),
            holds: |result| result["messages"][0]["content"]["text"] == "Greet the user.",
        },
        Check {
            feature: Feature::Resource,
            ask: json!({"op": "resource", "uri": uri}),
            holds: |result| result["contents"][0]["text"] == "Test the gateway.",
        },
        Check {
            feature: Feature::Elicitation,
            ask: call("ask", json!({})),
            holds: |result| result["content"][0]["text"] == "Hello Ada",
        },
    ]
}

/// A call whose progress is waited for, where the client may hear it after the answer.
fn with_progress(mut call: Value) -> Value {
    call["progress"] = json!(STEPS);
    call
}

fn checks_of_everything() -> Vec<Check> {
    let call = |tool: &str, arguments: Value| json!({"op": "call", "name": format!("everything_{tool}"), "arguments": arguments});
    vec![
        Check {
            feature: Feature::Tool,
            ask: call("echo", json!({"message": "hi"})),
            holds: |result| result["content"][0]["text"] == "Echo: hi",
        },
        Check {
            feature: Feature::Progress,
            ask: with_progress(call(
                "trigger-long-running-operation",
                json!({"duration": 0.3, "steps": STEPS}),
            )),
            holds: |result| result["progress"].as_array().is_some_and(|progress| progress.len() == STEPS),
        },
        Check {
            feature: Feature::Prompt,
            ask: json!({"op": "prompt", "name": "everything_simple-prompt"}),
            holds: |result| result["messages"][0]["content"]["text"].is_string(),
        },
        Check {
            feature: Feature::Resource,
            ask: json!({"op": "resource", "uri": "demo://resource/static/document/features.md"}),
            holds: |result| result["contents"][0]["text"].as_str().is_some_and(|text| text.contains("# ")),
        },
        Check {
            feature: Feature::Elicitation,
            ask: call("trigger-elicitation-request", json!({})),
            holds: |result| result["content"].to_string().contains("Ada"),
        },
    ]
}
