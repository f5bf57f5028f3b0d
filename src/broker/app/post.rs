//! POST: one message of a client.

use axum::{body::Body, extract::Request, response::Response};
use futures_util::StreamExt;
use http::header::CONTENT_LENGTH;

use super::{
    Endpoint,
    head::{Head, single},
    reply::{Form, Refused, accepted},
};
use crate::{
    broker::limits::BODY_DEADLINE,
    mcp::{self, Kind, Message, Method, Rejection, header},
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
        self.message(&head, &message, &body, asked_for).await.map_err(|rejection| Refused {
            rejection,
            id,
            form,
        })
    }

    async fn message(
        &self,
        head: &Head,
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
        let lists = method == Method::ToolsList && !head.snapshot.require_session();
        let needs_session = !is_request || !(lists || matches!(method, Method::Ping | Method::Discover));
        if session.is_none() && needs_session {
            return Err(Rejection::MissingSession);
        }
        let id = match (&message.id, is_request) {
            (Some(id), true) => id.as_bytes(),
            (Some(_) | None, _) => return Ok(accepted()),
        };
        if method == Method::Ping {
            let pong = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{}}"#].concat();
            return Ok(form?.answer(vec![pong.into()]));
        }
        if method == Method::ToolsList {
            return self.list(head, session, message, id, form?);
        }
        let method = message.method.as_ref().map(|method| method.value.clone().into_owned());
        form.and(Err(Rejection::MethodNotFound { method: method.unwrap_or_default() }))
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
