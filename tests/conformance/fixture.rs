//! The fixture servers that the suite runs against: ours, `tests/peers/conformance.mjs`, and the Go SDK's own.

use std::process::Command;

use tokio::net::TcpStream;

use crate::common::{Process, eventually, fetched, free_port, peer};

#[derive(Debug)]
pub(crate) struct Fixture {
    _process: Process,
    pub(crate) url: String,
}

impl Fixture {
    /// Ours; `arguments` are those of `conformance.mjs`, beside the port.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(fetched("node"));
        command.arg(peer("conformance.mjs")).arg(fetched("typescript-sdk")).arg("0").args(arguments);
        let mut process = Process::spawn("conformance.mjs", command);
        let line = process.wait_for_line("listening on http://").await;
        let url = line.trim_start_matches("listening on ").to_owned();
        Self { _process: process, url }
    }

    /// The Go SDK's, with sessions.
    pub(crate) async fn start_go() -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(fetched("go-fixture"));
        command.args(["-stateless=false", "-http", &address]);
        let mut process = Process::spawn("the Go fixture", command);
        eventually("the Go fixture listens", async || {
            let ended = process.ended();
            assert!(ended.is_none(), "the Go fixture ended at its start: {ended:?}");
            TcpStream::connect(&address).await.ok()
        })
        .await;
        Self { _process: process, url: format!("http://{address}/mcp") }
    }
}
