//! `tools/list`: its size and time, and its rate beside nginx serving a file of the same size.

use std::{env, fs, process::Command, time::Instant};

use tempfile::TempDir;

use crate::{
    common::{Process, eventually, free_port},
    load::{Load, post, wrk},
    peers::{Peers, Streams},
    subject::Subject,
    table::{count, median, section},
};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
/// Servers, and tools of each.
const SIZES: [(usize, usize); 4] = [(1, 100), (100, 10), (1_000, 10), (1_000, 100)];
/// Connections of the load.
const CONNECTIONS: usize = 32;
/// Rounds, each of the gateway and of nginx.
const ROUNDS: usize = 5;
/// Of each round, for either.
const SECONDS: f64 = 1.0;
/// Single lists that are timed; the median counts.
const TIMES: usize = 21;

pub(crate) async fn run() -> String {
    let mut rows = Vec::new();
    for (servers, tools_each) in SIZES {
        let peers = Peers::start(servers, tools_each, Streams::Refused).await;
        let subject = Subject::start(&peers).await;
        let (bytes, took) = timed(&subject).await;
        let nginx = Nginx::start(bytes).await;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut errors = 0;
        for _ in 0..ROUNDS {
            let routed = subject.routed();
            let fields = [("x-mcp-routed", &*routed)];
            let listed = wrk(&subject.gateway.broker, CONNECTIONS, SECONDS, &post(LIST, &fields)).await;
            let read: Load = wrk(&nginx.address, CONNECTIONS, SECONDS, "").await;
            errors += listed.errors + read.errors;
            ours.push(listed.rate());
            theirs.push(read.rate());
        }
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        eprintln!(
            "scale: lists of {}: {:.0}/s, nginx {:.0}/s",
            peers.tools(),
            median(&ours),
            median(&theirs)
        );
        rows.push(vec![
            count(servers),
            count(peers.tools()),
            count(bytes),
            format!("{took:.2}"),
            format!("{:.0}", median(&ours)),
            format!("{:.0}", median(&theirs)),
            format!("{:.2}", median(&ratios)),
            count(errors),
        ]);
    }
    section(
        "`tools/list`",
        &format!(
            "All tools on one page. One at a time: the median of {TIMES}, read to the last byte. A second: {CONNECTIONS} \
             connections straight to the broker, beside nginx serving a file of the same size, in {ROUNDS} interleaved rounds."
        ),
        &["servers", "tools", "bytes", "ms", "lists a second", "nginx", "ratio", "errors"],
        &rows,
    )
}

/// Bytes of the list, and milliseconds that one takes.
async fn timed(subject: &Subject) -> (usize, f64) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut bytes, mut times) = (0, Vec::new());
    for _ in 0..TIMES {
        let began = Instant::now();
        let request = http.post(format!("http://{}/mcp", subject.gateway.broker));
        let fields =
            [("x-mcp-routed", &*subject.routed()), ("content-type", "application/json"), ("accept", "*/*")];
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.body(LIST).send().await.unwrap().error_for_status().unwrap();
        bytes = response.bytes().await.unwrap().len();
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    (bytes, median(&times))
}

/// nginx with one file.
struct Nginx {
    address: String,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    async fn start(bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, port) = (folder.path().display(), free_port());
        fs::create_dir(folder.path().join("files")).unwrap();
        fs::write(folder.path().join("files/mcp"), "x".repeat(bytes)).unwrap();
        let config = format!(
            "daemon off; pid {root}/pid; error_log stderr; worker_processes auto;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/json;\n\
             client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
             server {{ listen 127.0.0.1:{port}; root {root}/files; }} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let nginx = env::var("NGINX_BIN").unwrap_or_else(|_unset| "nginx".to_owned());
        let mut command = Command::new(nginx);
        command
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(folder.path().join("nginx.conf"));
        // its worker runs as another user when it is started by root
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let process = Process::spawn("nginx", command);
        let address = format!("127.0.0.1:{port}");
        eventually("nginx serves", async || {
            reqwest::get(format!("http://{address}/mcp")).await.ok()?.error_for_status().ok()
        })
        .await;
        Self { address, _process: process, _folder: folder }
    }
}
