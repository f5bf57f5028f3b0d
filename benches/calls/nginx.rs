//! nginx as an MCP server: calls are answered from files, all else by `server.rs`.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    call::Tool,
    common::{Process, eventually, fetched, free_port},
};

/// A running nginx with one worker.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) address: String,
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// `server`: the address of what answers what is no call.
    pub(crate) async fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("call")).unwrap();
        for tool in Tool::ALL {
            if let Some(answer) = tool.file() {
                fs::write(folder.path().join("call").join(tool.name()), answer).unwrap();
            }
        }
        let address = format!("127.0.0.1:{}", free_port());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config(folder.path(), &address, server)).unwrap();
        let mut command = Command::new(fetched("nginx"));
        command.arg("-p").arg(folder.path()).arg("-c").arg(file);
        let process = Process::spawn("nginx", command);
        eventually("nginx listens", async || TcpStream::connect(&address).await.ok()).await;
        Self { address, _process: process, _folder: folder }
    }
}

/// A static file is not for POST: the 405 of that becomes a 200 with the file. `mirror` makes nginx read the body to its
/// end first, as every MCP server does; an answer before that would make Envoy close the connection.
fn config(folder: &Path, address: &str, server: &str) -> String {
    let folder = folder.display();
    let root = if fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        r#"
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit; {root}
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; open_file_cache max=64;
    keepalive_timeout 3600s; keepalive_requests 1000000000;
    client_max_body_size 0; client_body_buffer_size 1m;
    types {{}} default_type application/json;
{temporary}
    map "$http_x_mcp_toolname $http_mcp_session_id" $called {{ default ""; "~^(?<tool>\S+) \S" $tool; }}
    server {{
        listen {address};
        location / {{
            if ($called) {{ rewrite ^ /call/$called last; }}
            proxy_pass http://{server};
        }}
        location ~ ^/call/(echo|slow)$ {{ proxy_pass http://{server}; proxy_http_version 1.1; proxy_buffering off; }}
        location ~ ^/call/(.+)$ {{ mirror /nothing; root {folder}; error_page 405 =200 /answer/$1; }}
        location = /nothing {{ internal; return 204; }}
        location /answer/ {{ internal; alias {folder}/call/; }}
        location /answer/sse {{ internal; alias {folder}/call/sse; default_type text/event-stream; }}
    }}
}}
"#
    )
}

/// Started by root, workers would be another user, who may not read the folder.
fn is_root(own: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}
