//! `mcp-gateway demo`: Envoy, the gateway and two MCP servers that are not ours, on this machine, with a client.
//!
//! Starts everything on loopback, initializes a client through Envoy, lists the merged tools, calls one tool of
//! each server, says what happened, and leaves it running until Ctrl-C.

mod client;
mod process;

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::{
    process::Command,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep},
};

use self::{
    client::Client,
    process::{Process, free_port},
};

/// Longest wait until both servers' tools are listed.
const DISCOVERED: Duration = Duration::from_mins(1);
/// Longest wait without a word.
const SILENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(100);
/// How often it is looked whether a process has ended.
const ENDED_POLL: Duration = Duration::from_secs(1);
/// Longest wait for an answer to the demo's own requests.
const ANSWER: Duration = Duration::from_secs(30);

/// What the demo runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Demo {
    /// Envoy's binary
    #[arg(long, env = "ENVOY_BIN")]
    envoy: PathBuf,
    /// Python with the `mcp` package
    #[arg(long, env = "MCP_PYTHON")]
    python: PathBuf,
    /// The Python MCP server to run
    #[arg(long, default_value = "tests/peers/server.py")]
    python_server: PathBuf,
    /// Node.js; without it a second Python server stands in
    #[arg(long, env = "NODE_BIN", requires = "everything")]
    node: Option<PathBuf>,
    /// `dist/index.js` of the npm package @modelcontextprotocol/server-everything
    #[arg(long, env = "EVERYTHING_JS")]
    everything: Option<PathBuf>,
    /// Where Envoy listens: IP:PORT
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8001", env = "DEMO_LISTEN")]
    listen: SocketAddr,
    /// End after the calls; exit code 0 only if they all worked [`DEMO_ONCE=1`]
    #[arg(long, env = "DEMO_ONCE", value_parser = clap::builder::FalseyValueParser::new())]
    once: bool,
}

/// Runs the demo until Ctrl-C, SIGTERM or SIGHUP, or until the calls are done where that was asked for. What it
/// started has ended before it does.
pub async fn run(demo: Demo) -> Result<()> {
    let mut signals = Signals::new()?;
    is_free(demo.listen)?;
    let folder = std::env::temp_dir().join(format!("mcp-gateway-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut stage = Stage::new(demo, folder.clone())?;
    let outcome = tokio::select! {
        outcome = stage.run() => outcome,
        () = signals.next() => Ok(()),
    };
    stage.end().await;
    outcome.with_context(|| format!("the demo failed; its logs are in {}", folder.display()))?;
    say("stopped\n");
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Envoy would share the port with another Envoy, and clients would reach either.
fn is_free(listen: SocketAddr) -> Result<()> {
    TcpListener::bind(listen).map(drop).with_context(|| {
        format!(
            "Envoy cannot listen on {listen}: end what listens there, or choose another address, such as \
             DEMO_LISTEN=127.0.0.1:8002"
        )
    })
}

/// What ends the demo.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// A server of the demo: its name, its prefix, and a call that shows it.
struct Shown {
    name: &'static str,
    prefix: &'static str,
    port: u16,
    tool: &'static str,
    arguments: serde_json::Value,
}

struct Stage {
    demo: Demo,
    folder: PathBuf,
    http: reqwest::Client,
    running: Vec<Process>,
}

impl Stage {
    fn new(demo: Demo, folder: PathBuf) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        Ok(Self { demo, folder, http, running: Vec::new() })
    }

    /// Ends what was started, the last one first.
    async fn end(&mut self) {
        while let Some(process) = self.running.pop() {
            process.end().await;
        }
    }

    async fn run(&mut self) -> Result<()> {
        let servers = [self.first_server().await?, self.python_server().await?];
        let admin = self.gateway(&servers).await?;
        let url = format!("http://{}/mcp", self.demo.listen);
        self.client(&servers, &url).await?;
        if !self.demo.once {
            say(&instructions(&url, &admin, &self.folder));
            self.watch().await?;
        }
        Ok(())
    }

    /// Says which process has ended by itself, if one does.
    async fn watch(&mut self) -> Result<()> {
        loop {
            for process in &mut self.running {
                if let Some(words) = process.has_ended()? {
                    say(&format!("{words}\n"));
                }
            }
            sleep(ENDED_POLL).await;
        }
    }

    /// server-everything, or a second Python server where Node.js is missing.
    async fn first_server(&mut self) -> Result<Shown> {
        let (Some(node), Some(script)) = (self.demo.node.clone(), self.demo.everything.clone()) else {
            say("without Node.js: showing two Python servers instead of server-everything\n");
            let port = self.start_python("second", "demo-second").await?;
            let arguments = json!({"text": "hello"});
            return Ok(Shown { name: "demo/second", prefix: "second_", port, tool: "echo", arguments });
        };
        let port = free_port()?;
        let mut command = Command::new(node);
        command.arg(script).arg("streamableHttp").env("PORT", port.to_string());
        self.start(
            "everything",
            "server-everything (npm)",
            command,
            &format!("http://127.0.0.1:{port}/mcp"),
            true,
        )
        .await?;
        let arguments = json!({"message": "hello"});
        Ok(Shown { name: "demo/everything", prefix: "everything_", port, tool: "echo", arguments })
    }

    async fn python_server(&mut self) -> Result<Shown> {
        let port = self.start_python("python", "demo-python").await?;
        Ok(Shown {
            name: "demo/python",
            prefix: "python_",
            port,
            tool: "add",
            arguments: json!({"a": 19, "b": 23}),
        })
    }

    async fn start_python(&mut self, name: &'static str, server_name: &str) -> Result<u16> {
        let port = free_port()?;
        let mut command = Command::new(&self.demo.python);
        command.arg(&self.demo.python_server).arg(port.to_string()).args(["--name", server_name]);
        self.start(
            name,
            "a server on the Python SDK",
            command,
            &format!("http://127.0.0.1:{port}/mcp"),
            true,
        )
        .await?;
        Ok(port)
    }

    /// The gateway and Envoy; the address of the gateway's admin listener.
    async fn gateway(&mut self, servers: &[Shown]) -> Result<String> {
        let config = self.folder.join("gateway.yaml");
        let hosts = [json!(self.demo.listen.ip().to_string()), json!("localhost")];
        let servers: Vec<_> = servers
            .iter()
            .map(|server| json!({"name": server.name, "url": format!("http://127.0.0.1:{}/mcp", server.port), "toolPrefix": server.prefix}))
            .collect();
        let document = json!({"publicHost": hosts, "servers": servers});
        std::fs::write(&config, serde_json::to_vec_pretty(&document)?)?;

        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let [ext_proc, broker, admin] =
            [free_port()?, free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
        let mut serve = Command::new(&this);
        serve.arg("serve").arg("--config").arg(&config);
        serve.args(["--ext-proc-listen", &ext_proc, "--broker-listen", &broker, "--admin-listen", &admin]);
        serve.args(["--private-host", &self.demo.listen.to_string()]);
        self.start("gateway", "the gateway", serve, &format!("http://{admin}/readyz"), false).await?;

        let mut print = Command::new(&this);
        print.arg("envoy").arg("--config").arg(&config);
        let (listen, envoy_admin) = (self.demo.listen.to_string(), format!("127.0.0.1:{}", free_port()?));
        print.args(["--listen", &listen, "--admin", &envoy_admin]);
        print.args(["--ext-proc-listen", &ext_proc, "--broker-listen", &broker]);
        let printed = print.output().await.context("cannot print Envoy's bootstrap")?;
        if !printed.status.success() {
            bail!("`mcp-gateway envoy` failed: {}", String::from_utf8_lossy(&printed.stderr));
        }
        let bootstrap = self.folder.join("envoy.yaml");
        std::fs::write(&bootstrap, printed.stdout)?;
        let mut envoy = Command::new(&self.demo.envoy);
        envoy.arg("--config-path").arg(&bootstrap).args([
            "--log-level",
            "warning",
            "--disable-hot-restart",
            "--concurrency",
            "1",
        ]);
        self.start("envoy", "Envoy", envoy, &format!("http://{envoy_admin}/ready"), false).await?;
        Ok(admin)
    }

    async fn start(
        &mut self,
        name: &'static str,
        what: &str,
        mut command: Command,
        url: &str,
        any: bool,
    ) -> Result<()> {
        say(&format!("starting {what} ... "));
        let began = Instant::now();
        self.running.push(Process::start(name, &mut command, &self.folder)?);
        if let Some(process) = self.running.last_mut() {
            let ready = process.ready(&self.http, url, any).await;
            ready.inspect_err(|_| say("failed\n"))?;
        }
        say(&format!("ready ({:.1} s)\n", began.elapsed().as_secs_f32()));
        Ok(())
    }

    /// A client through Envoy: initialize, list, one call of each server.
    async fn client(&self, servers: &[Shown], url: &str) -> Result<()> {
        let mut client = Client::new(self.http.clone(), url.to_owned());
        let initialized = client.initialize().await?;
        let said = |pointer| initialized.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("?");
        say(&format!(
            "
initialize  -> {}, revision {}
",
            said("/serverInfo/name"),
            said("/protocolVersion")
        ));
        let began = Instant::now();
        let mut has_said = false;
        let tools = loop {
            let tools = client.tools().await?;
            if servers.iter().all(|server| tools.iter().any(|tool| tool.starts_with(server.prefix))) {
                break tools;
            }
            if began.elapsed() > SILENCE && !has_said {
                has_said = true;
                say("waiting until the tools of both servers are listed ...\n");
            }
            if began.elapsed() > DISCOVERED {
                bail!(
                    "the servers' tools were not all discovered within {DISCOVERED:?}; listed: {}",
                    tools.join(", ")
                );
            }
            sleep(POLL).await;
        };
        say(&format!("tools/list  -> {} tools: {}\n", tools.len(), tools.join(", ")));
        for server in servers {
            let tool = format!("{}{}", server.prefix, server.tool);
            let answer = client.call(&tool, server.arguments.clone()).await?;
            say(&format!("tools/call  -> {tool} {} = {}\n", server.arguments, answer.trim()));
        }
        Ok(())
    }
}

/// What to try next.
fn instructions(url: &str, admin: &str, folder: &Path) -> String {
    let post = format!("curl -s {url} -H 'content-type: application/json'");
    format!(
        r#"
The gateway is at {url}. Try, in another terminal:

  {post} -d '{{"jsonrpc":"2.0","id":1,"method":"tools/list"}}'

  # a session, then a call in it
  SESSION=$({post} -D - -o /dev/null \
    -d '{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"curl","version":"1"}}}}}}' \
    | awk 'tolower($1) == "mcp-session-id:" {{print $2}}' | tr -d '\r')
  {post} -H "mcp-session-id: $SESSION" \
    -d '{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"python_add","arguments":{{"a":1,"b":2}}}}}}'

  curl -s http://{admin}/status     # what each server offers
  make inspect-gateway GATEWAY_URL={url}     # MCP Inspector

Logs: {}. Ctrl-C ends everything.
"#,
        folder.display()
    )
}

/// Progress goes to the terminal as it happens; nobody reading is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
