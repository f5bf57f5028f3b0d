//! POST: one message of a client.

use axum::{body::Body, extract::Request, response::Response};
use futures_util::StreamExt;
use http::{HeaderMap, header::CONTENT_LENGTH};

use super::{
    Endpoint,
    fan_out::FanOut,
    head::{Head, single},
    reply::{Form, Refused, accepted},
};
use crate::{
    broker::{limits::BODY_DEADLINE, page},
    mcp::{self, Kind, Message, Method, Rejection, header},
    routing::Primitive,
};

impl Endpoint {
    pub(super) async fn post(&self, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        let head = self.head(&parts.headers)?;
        let limit = head.snapshot.limits().body;
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        header::check_body(|name| single(&parts.headers, name), length, limit)?;
        let body = tokio::time::timeout(BODY_DEADLINE, read(body, limit))
            .await
            .unwrap_or(Err(Rejection::BodyTooSlow { limit: BODY_DEADLINE.as_secs() }))?;
        let message = mcp::scan(&body).map_err(|error| Refused {
            id: error.id.as_ref().map(|id| id.as_bytes().to_vec()),
            rejection: error.into(),
            form: Form::Json,
        })?;
        let asked_for = Form::asked_for(&parts.headers);
        let form = asked_for.as_ref().copied().unwrap_or(Form::Json);
        let id = message.id.as_ref().map(|id| id.as_bytes().to_vec());
        self.message(&head, &parts.headers, &message, &body, asked_for).await.map_err(|rejection| Refused {
            rejection,
            id,
            form,
        })
    }

    async fn message(
        &self,
        head: &Head,
        fields: &HeaderMap,
        message: &Message<'_>,
        body: &[u8],
        form: Result<Form, Rejection>,
    ) -> Result<Response, Rejection> {
        let method = message.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value));
        let is_request = message.kind == Kind::Request;
        if is_request && method == Method::Initialize {
            return self.initialize(head, message, body, form?);
        }
        head.check_revision()?;
        if let Some(asked) = &message.params.meta.protocol_version {
            // a revision that is named here is later than those that have sessions
            return Err(Rejection::UnsupportedRevision { asked: asked.value.clone().into_owned() });
        }
        let session = self.session(head).await?;
        let is_list = Primitive::ALL.iter().any(|&primitive| page::method(primitive) == method);
        let may_list = is_list && !head.snapshot.require_session();
        let needs_session = !is_request || !(may_list || matches!(method, Method::Ping | Method::Discover));
        if session.is_none() && needs_session {
            return Err(Rejection::MissingSession);
        }
        let id = message.id.as_ref().map_or(b"null".as_slice(), |id| id.as_bytes());
        let everywhere = session.map(|session| FanOut::new(self, head, session, fields));
        match (message.kind, method, everywhere) {
            (Kind::Request, Method::Ping, _) => {
                let pong = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{}}"#].concat();
                Ok(form?.answer(vec![pong.into()]))
            }
            (Kind::Request, Method::ToolsList, _) => {
                self.list(Primitive::Tool, head, session, message, id, form?)
            }
            (Kind::Request, Method::PromptsList, _) => {
                self.list(Primitive::Prompt, head, session, message, id, form?)
            }
            (Kind::Request, Method::ResourcesList, _) => {
                self.list(Primitive::Resource, head, session, message, id, form?)
            }
            (Kind::Request, Method::ResourceTemplatesList, _) => {
                self.list(Primitive::ResourceTemplate, head, session, message, id, form?)
            }
            (Kind::Request, Method::SetLevel, Some(everywhere)) => {
                everywhere.set_level(message, id, form?).await
            }
            (Kind::Request, Method::TasksList, Some(everywhere)) => {
                everywhere.tasks(message, id, form?).await
            }
            (Kind::Notification, Method::RootsListChanged, Some(everywhere)) => {
                everywhere.roots_changed(body).await
            }
            (Kind::Request, _, _) => {
                let method = message.method.as_ref().map(|method| method.value.clone().into_owned());
                form.and(Err(Rejection::MethodNotFound { method: method.unwrap_or_default() }))
            }
            (Kind::Notification | Kind::Result | Kind::Error, _, _) => Ok(accepted()),
        }
    }
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Rejection> {
    let (mut stream, mut read) = (body.into_data_stream(), Vec::new());
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|_broken| Rejection::Malformed { fault: mcp::Fault::Syntax, at: read.len() })?;
        if read.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

fn too_large(limit: usize) -> Rejection {
    Rejection::BodyTooLarge { limit: limit as u64 }
}
