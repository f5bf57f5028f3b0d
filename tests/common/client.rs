//! Real MCP clients, driven over a line protocol (see `tests/peers/client.py`).

use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use super::fetched::peer;
use super::{Process, fetched};

/// A running client; one connection at a time.
#[derive(Debug)]
pub struct Client {
    pub process: Process,
    asked: u64,
}

/// Why the client's SDK says a request failed.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// The SDK's exception class.
    pub r#type: String,
    /// The JSON-RPC error code, where the SDK has one.
    pub code: Option<i64>,
    pub message: String,
    pub data: Option<Value>,
    /// The HTTP status of the newest response with one of 400 or more.
    pub status: Option<u16>,
}

impl Client {
    /// On the Python SDK 2.x.
    pub async fn python() -> Self {
        Self::start("client.py", Command::new(fetched("python")), None).await
    }

    /// On the Python SDK 1.x.
    pub async fn python_1() -> Self {
        Self::start("client.py", Command::new(fetched("python-1")), None).await
    }

    /// On the TypeScript SDK 1.x.
    pub async fn typescript() -> Self {
        let sdk = fetched("typescript-sdk").display().to_string();
        Self::start("client.mjs", Command::new(fetched("node")), Some(sdk)).await
    }

    async fn start(file: &str, mut command: Command, argument: Option<String>) -> Self {
        command.arg(peer(file)).args(argument);
        let mut process = Process::spawn(file, command);
        process.wait_for_line(r#""ready""#).await;
        Self { process, asked: 0 }
    }

    /// Connects with `initialize`; gives `{protocolVersion, serverInfo, capabilities, instructions}`.
    pub async fn connect(&mut self, url: &str) -> Result<Value, Refusal> {
        self.ask(json!({"op": "connect", "url": url, "mode": "legacy"})).await
    }

    /// Connects as `connect` does, with more members (`mode`, `headers`, `terminate`) from the object `more`.
    pub async fn connect_with(&mut self, url: &str, more: Value) -> Result<Value, Refusal> {
        let mut ask = json!({"op": "connect", "url": url, "mode": "legacy"});
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask(ask).await
    }

    /// The names of all tools, every page of them, in the order of the list.
    pub async fn tool_names(&mut self) -> Result<Vec<String>, Refusal> {
        let tools = self.tools().await?;
        Ok(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect())
    }

    /// All tools, every page of them.
    pub async fn tools(&mut self) -> Result<Vec<Value>, Refusal> {
        let listed = self.ask(json!({"op": "list_tools"})).await?;
        Ok(listed["tools"].as_array().unwrap().clone())
    }

    /// Calls a tool; gives its result with `isError`, `elapsed_ms` and `progress: [{at_ms, progress, total}]`.
    pub async fn call(&mut self, name: &str, arguments: Value) -> Result<Value, Refusal> {
        self.ask(json!({"op": "call", "name": name, "arguments": arguments})).await
    }

    /// Calls a tool that must succeed; gives the text of its first content block.
    pub async fn call_text(&mut self, name: &str, arguments: Value) -> String {
        let result = self.call(name, arguments).await.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(result["isError"], false, "{name}: {result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Waits for the next notification of that method that was not waited for yet.
    pub async fn wait_notification(&mut self, method: &str) -> Result<Value, Refusal> {
        self.ask(json!({"op": "wait_notification", "method": method, "timeout": 20})).await
    }

    /// What went over the wire: `[{method, request: {headers}, body, status, response: {headers}}]`.
    pub async fn http(&mut self) -> Vec<Value> {
        self.ask(json!({"op": "http"})).await.unwrap().as_array().unwrap().clone()
    }

    /// Ends the session (DELETE) and closes.
    pub async fn close(&mut self) -> Result<Value, Refusal> {
        self.ask(json!({"op": "close"})).await
    }

    /// Sends one request of the line protocol and waits for its answer.
    pub async fn ask(&mut self, ask: Value) -> Result<Value, Refusal> {
        let id = self.send(ask);
        self.answer(id).await
    }

    /// Sends one request and gives its id at once, so that several can be under way.
    pub fn send(&mut self, mut ask: Value) -> u64 {
        self.asked += 1;
        ask["id"] = json!(self.asked);
        self.process.write_line(&ask.to_string());
        self.asked
    }

    /// The answer to the request that `send` gave `id`.
    pub async fn answer(&mut self, id: u64) -> Result<Value, Refusal> {
        let start = format!("{{\"id\":{id},");
        let answer: Value = self
            .process
            .wait_for(&format!("the answer to request {id}"), 0, |line| {
                let is_it = line.replacen(": ", ":", 1).replacen(", ", ",", 1).starts_with(&start);
                is_it.then(|| serde_json::from_str(line).unwrap())
            })
            .await;
        if answer["ok"] == true {
            return Ok(answer["result"].clone());
        }
        Err(serde_json::from_value(answer["error"].clone()).unwrap())
    }
}
