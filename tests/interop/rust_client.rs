//! A client on rmcp.

use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::{
    ClientHandler, RoleClient, ServiceExt as _,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
        ElicitationAction, GetPromptRequestParams, Implementation, ProgressNotificationParam,
        ReadResourceRequestParams,
    },
    service::{NotificationContext, RequestContext, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde_json::{Value, json};

use crate::common::eventually;

pub(crate) struct RustClient(RunningService<RoleClient, User>);

/// Answers what is asked, and counts the progress it hears.
#[derive(Default)]
struct User {
    progress: AtomicU64,
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("rmcp-peer", "1.0"))
    }

    async fn create_elicitation(
        &self,
        _asked: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, rmcp::ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Ada"})))
    }

    async fn on_progress(
        &self,
        _progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.fetch_add(1, Ordering::SeqCst);
    }
}

impl RustClient {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(User::default().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap())
    }

    pub(crate) async fn ask(&self, ask: &Value) -> Result<Value, String> {
        let name = ask["name"].as_str().unwrap_or_default().to_owned();
        match ask["op"].as_str().unwrap() {
            "call" => self.call(name, ask).await,
            "prompt" => said(self.0.get_prompt(GetPromptRequestParams::new(name)).await),
            _ => {
                let uri = ask["uri"].as_str().unwrap();
                said(self.0.read_resource(ReadResourceRequestParams::new(uri)).await)
            }
        }
    }

    async fn call(&self, name: String, ask: &Value) -> Result<Value, String> {
        let heard = &self.0.service().progress;
        heard.store(0, Ordering::SeqCst);
        let arguments = ask["arguments"].as_object().unwrap().clone();
        let call = CallToolRequestParams::new(name).with_arguments(arguments);
        let mut result = said(self.0.call_tool(call).await)?;
        // it handles notifications beside the answer, so they may come a little later
        let expected = ask["progress"].as_u64().unwrap_or_default();
        let all = async || (heard.load(Ordering::SeqCst) >= expected).then_some(());
        eventually("all progress is heard", all).await;
        result["progress"] = json!((0..heard.load(Ordering::SeqCst)).collect::<Vec<_>>());
        Ok(result)
    }
}

fn said<T: serde::Serialize, E: std::fmt::Display>(result: Result<T, E>) -> Result<Value, String> {
    result.map(|result| serde_json::to_value(result).unwrap()).map_err(|error| error.to_string())
}
