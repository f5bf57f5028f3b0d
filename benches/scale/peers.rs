//! As many MCP servers as are asked for, on one port of this process: the smallest thing that a gateway takes for one.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

const INITIALIZED: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"peer","version":"1"}}"#;
const CALLED: &str = r#"{"content":[{"type":"text","text":"done"}],"isError":false}"#;

/// Servers that issue sessions and have the same number of tools each. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Peers {
    port: u16,
    pub(crate) servers: usize,
    pub(crate) tools_each: usize,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// The tools of each server, as `tools/list` answers.
    tools: String,
    streams: Streams,
}

/// What a server answers to GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// An event stream on which nothing comes.
    Quiet,
    /// 405: there is none.
    Refused,
}

impl Peers {
    pub(crate) async fn start(servers: usize, tools_each: usize, streams: Streams) -> Self {
        let tools: Vec<String> = (0..tools_each).map(tool).collect();
        let shared = Shared { tools: format!(r#"{{"tools":[{}]}}"#, tools.join(",")), streams };
        let app = Router::new().route("/{server}/mcp", any(answer)).with_state(Arc::new(shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { port, servers, tools_each, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(crate) fn tools(&self) -> usize {
        self.servers * self.tools_each
    }

    /// A gateway's configuration with all of them.
    pub(crate) fn config(&self) -> String {
        let port = self.port;
        let server = |number: usize| {
            let name = format!("s{number:04}");
            format!(
                "  - {{name: scale/{name}, url: \"http://127.0.0.1:{port}/{number}/mcp\", hostname: {name}.mcp.local, toolPrefix: {name}_}}\n"
            )
        };
        let servers: String = (0..self.servers).map(server).collect();
        format!("publicHost: 127.0.0.1\nservers:\n{servers}")
    }
}

/// One of some 300 bytes, as servers write them.
pub(crate) fn tool(number: usize) -> String {
    format!(
        r#"{{"name":"tool_{number:04}","description":"Looks for what is asked for and says where it is, as number {number} of its server does","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"What to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100}}}},"required":["query"]}}}}"#
    )
}

#[derive(Deserialize)]
struct Message<'a> {
    id: Option<u64>,
    #[serde(default, borrow)]
    method: &'a str,
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path(server): Path<usize>,
    method: Method,
    body: Bytes,
) -> Response {
    match method {
        Method::POST => {}
        Method::GET if shared.streams == Streams::Quiet => {
            let quiet = futures_util::stream::pending::<Result<Bytes, Infallible>>();
            return of_type("text/event-stream", Body::from_stream(quiet));
        }
        Method::DELETE => return Response::default(),
        _ => return of_status(StatusCode::METHOD_NOT_ALLOWED),
    }
    let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else {
        return of_status(StatusCode::BAD_REQUEST);
    };
    let Some(id) = message.id else { return of_status(StatusCode::ACCEPTED) };
    let result = match message.method {
        "initialize" => INITIALIZED,
        "tools/list" => &shared.tools,
        "tools/call" => CALLED,
        _ => "{}",
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let mut response = of_type("application/json", Body::from(body));
    if message.method == "initialize" {
        // as long as those of the SDKs
        let session = format!("{:016x}{:08x}{server:08x}", fastrand::u64(..), fastrand::u32(..));
        response.headers_mut().insert("mcp-session-id", HeaderValue::try_from(session).unwrap());
    }
    response
}

fn of_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn of_status(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
