//! The clients; all are asked in the language of `tests/peers/client.py`.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::{
    common::{self, DEADLINE, fetched},
    rust_client::RustClient,
    servers::Feature,
    table::{locked, package, pinned},
};

pub(crate) struct Client {
    /// As the table calls it.
    pub(crate) title: String,
    /// What it has no means for, whatever the server.
    pub(crate) lacks: &'static [Feature],
    kind: Kind,
}

enum Kind {
    /// Driven over lines.
    Lines(common::Client),
    Rust(RustClient),
    /// One process for each ask.
    Inspector {
        url: String,
    },
}

/// All of them, connected.
pub(crate) async fn clients(url: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for (title, mut client) in [
        (format!("Python SDK {}", pinned("python.txt", "mcp")), common::Client::python().await),
        (format!("Python SDK {}", pinned("python-1.txt", "mcp")), common::Client::python_1().await),
        (
            format!("TypeScript SDK {}", package("npm", "@modelcontextprotocol/sdk")),
            common::Client::typescript().await,
        ),
    ] {
        let how = json!({"mode": "auto", "user": {"name": "Ada"}});
        client.connect_with(url, how).await.unwrap_or_else(|refusal| panic!("{title}: {refusal:?}"));
        clients.push(Client { title, lacks: &[], kind: Kind::Lines(client) });
    }
    clients.push(Client {
        title: format!("MCP Inspector's CLI {}", package("inspector", "@modelcontextprotocol/inspector")),
        lacks: &[Feature::Progress, Feature::Elicitation],
        kind: Kind::Inspector { url: url.to_owned() },
    });
    clients.push(Client {
        title: format!("rmcp {}", locked("rmcp")),
        lacks: &[],
        kind: Kind::Rust(RustClient::connect(url).await),
    });
    clients
}

impl Client {
    pub(crate) async fn ask(&mut self, ask: Value) -> Result<Value, String> {
        match &mut self.kind {
            Kind::Lines(client) => client.ask(ask).await.map_err(|refusal| format!("{refusal:?}")),
            Kind::Rust(client) => client.ask(&ask).await,
            Kind::Inspector { url } => inspect(url, &ask).await,
        }
    }
}

async fn inspect(url: &str, ask: &Value) -> Result<Value, String> {
    let node = fetched("node");
    let mut command = Command::new(&node);
    // what it starts must meet the same node
    command.env("PATH", format!("{}:/usr/bin:/bin", node.parent().unwrap_or(Path::new("/")).display()));
    command.env("MCP_INSPECTOR_SECRET_STORE", "memory");
    command.arg(fetched("inspector")).args(["--cli", "--transport", "http", "--server-url", url]);
    let name = ask["name"].as_str().unwrap_or_default();
    match ask["op"].as_str().unwrap() {
        "call" => {
            command.args(["--method", "tools/call", "--tool-name", name]);
            for (key, value) in ask["arguments"].as_object().unwrap() {
                command.args(["--tool-arg", &format!("{key}={}", value.as_str().unwrap())]);
            }
        }
        "prompt" => drop(command.args(["--method", "prompts/get", "--prompt-name", name])),
        _ => drop(command.args(["--method", "resources/read", "--uri", ask["uri"].as_str().unwrap()])),
    }
    let ended = timeout(DEADLINE, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    let output = ended.map_err(|_elapsed| "the Inspector does not end".to_owned())?.unwrap();
    serde_json::from_slice(&output.stdout).map_err(|_error| format!("{output:?}"))
}
