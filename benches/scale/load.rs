//! Load: wrk, told by a script what to send.

use std::{env, fs, process::Stdio, time::Duration};

use tokio::process::Command;

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) requests: usize,
    /// Connections that broke, statuses of 400 or more, and what a script itself found wrong.
    pub(crate) errors: usize,
    pub(crate) seconds: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// Prints one line that is read here. `threads` and `wrong` are of the script.
const DONE: &str = r#"
local all = {}
function setup(thread) table.insert(all, thread) end
wrong = 0
function done(summary, latency)
  local e, bad = summary.errors, 0
  for _, thread in ipairs(all) do bad = bad + thread:get("wrong") end
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout + bad, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// Checks that each answer has a `result`; costs wrk some of its rate.
pub(crate) const CHECKED: &str = r#"
function response(status, headers, body)
  if not string.find(body, '"result":', 1, true) then wrong = wrong + 1 end
end
"#;

/// Loads `address` with `connections` for `seconds`, as `script` (Lua) says.
pub(crate) async fn wrk(address: &str, connections: usize, seconds: f64, script: &str) -> Load {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.lua");
    fs::write(&file, format!("{DONE}{script}")).unwrap();
    let wrk = env::var("WRK_BIN").unwrap_or_else(|_unset| "wrk".to_owned());
    let mut command = Command::new(&wrk);
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{}s", seconds.ceil())]);
    command.arg("--timeout=30s").arg("-s").arg(&file).arg(format!("http://{address}/mcp"));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.unwrap_or_else(|error| panic!("{wrk}: {error}; set WRK_BIN, or install wrk"));
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line = line.unwrap_or_else(|| panic!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr)));
    let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    Load {
        requests: numbers[0] as usize,
        errors: numbers[1] as usize,
        seconds: numbers[2] as f64 / 1e6,
        p50: Duration::from_micros(numbers[3]),
        p99: Duration::from_micros(numbers[4]),
    }
}

/// One request, again and again.
pub(crate) fn post(body: &str, fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("wrk.headers[\"{name}\"] = \"{value}\"\n");
    let fields = fields.iter().map(field).collect::<Vec<_>>().concat();
    format!(
        "wrk.method = \"POST\"\nwrk.body = [[{body}]]\nwrk.headers[\"content-type\"] = \"application/json\"\n\
         wrk.headers[\"accept\"] = \"application/json, text/event-stream\"\n{fields}"
    )
}

/// Calls in `sessions` by turns, each with an id of its own. The tools are those of `servers`, by turns, too.
pub(crate) fn calls(sessions: &[String], servers: usize) -> String {
    let sessions: Vec<String> = sessions.iter().map(|session| format!("\"{session}\"")).collect();
    format!(
        r#"
local sessions = {{ {} }}
local n = {}
function request()
  n = n + 1
  local server = n % {servers}
  local body = string.format('{{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{{"name":"s%04d_tool_0000","arguments":{{"query":"%d"}}}}}}', n, server, n)
  return "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\nmcp-session-id: " .. sessions[n % #sessions + 1] .. "\r\ncontent-length: " .. #body .. "\r\n\r\n" .. body
end
"#,
        sessions.join(", "),
        fastrand::u32(1..1_000_000) * 100
    )
}
