//! A server on rmcp, with what `tests/peers/interop.py` offers.

use std::{sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, ServerConfig,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

const STEPS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct RustServer {
    pub(crate) url: String,
    _serving: AbortOnDropHandle<()>,
}

impl RustServer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let sessions = Arc::new(LocalSessionManager::default());
        let service =
            StreamableHttpService::new(|| Ok(Interop), sessions, StreamableHttpServerConfig::default());
        let app = axum::Router::new().route_service("/mcp", service);
        let serving = TaskTracker::new().spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { url, _serving: AbortOnDropHandle::new(serving) }
    }
}

struct Interop;

impl ServerHandler for Interop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(made(json!({"tools": {}, "prompts": {}, "resources": {}})))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools =
            ["echo", "steps", "ask"].map(|name| json!({"name": name, "inputSchema": {"type": "object"}}));
        Ok(made(json!({"tools": tools})))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = match &*request.name {
            "echo" => {
                let arguments = request.arguments.unwrap_or_default();
                format!("Echo: {}", arguments["message"].as_str().unwrap())
            }
            "steps" => steps(&context).await,
            _ => ask(&context).await,
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(made(json!({"prompts": [{"name": "greet"}]})))
    }

    async fn get_prompt(
        &self,
        _request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let greeting = json!({"role": "user", "content": {"type": "text", "text": "Greet the user."}});
        Ok(made::<GetPromptResult>(json!({"messages": [greeting]})).into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(made(json!({"resources": [{"uri": "note://today", "name": "today"}]})))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = json!([{"uri": request.uri, "text": "Test the gateway."}]);
        Ok(made::<ReadResourceResult>(json!({"contents": contents})).into())
    }
}

async fn steps(context: &RequestContext<RoleServer>) -> String {
    let token = context.meta.get_progress_token().unwrap();
    for step in 1..=STEPS {
        let progress = ProgressNotificationParam::new(token.clone(), f64::from(step));
        context.peer.notify_progress(progress).await.unwrap();
        tokio::time::sleep(PAUSE).await;
    }
    format!("{STEPS} steps")
}

async fn ask(context: &RequestContext<RoleServer>) -> String {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let form = made(json!({"mode": "form", "message": "Who are you?", "requestedSchema": schema}));
    let said = context.peer.create_elicitation(form).await.unwrap();
    format!("Hello {}", said.content.unwrap()["name"].as_str().unwrap())
}

fn made<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}
