//! `tasks/list`: the tasks of a session, server by server.
//!
//! A cursor names the server that is next and, sealed with it, the cursor of the server's own.

use std::{borrow::Cow, sync::Arc};

use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{errand::AtServer, fan_out::FanOut, reply::Form};
use crate::{
    broker::limits::FAN_OUT_DEADLINE,
    exchange::{Alias, AliasKind, Origin, Outcome, Tokens as _},
    mcp::{Message, Method, Rejection, ServerCapabilities, splice},
};

impl FanOut<'_> {
    /// One page of the first server, from the cursor on, that has any. A server that fails is passed over, but for the
    /// error that it answers to a cursor of its own.
    pub(super) async fn tasks(
        &self,
        message: &Message<'_>,
        id: &[u8],
        form: Form,
    ) -> Result<Response, Rejection> {
        let begin = match &message.params.cursor {
            Some(cursor) => self.opened(&cursor.value).ok_or(Rejection::BadCursor)?,
            None => self.cursor("", ""),
        };
        let reached = self.reached(ServerCapabilities::TASKS | ServerCapabilities::TASKS_LIST).await?;
        let deadline = Instant::now() + FAN_OUT_DEADLINE;
        let passed = reached.partition_point(|at| at.server.name.as_str() < &*begin.server);
        let mut left = reached.get(passed..).unwrap_or_default();
        let mut page = Page::default();
        while let Some((at, later)) = left.split_first() {
            left = later;
            let name = at.server.name.as_str();
            let cursor = if *name == *begin.server { &*begin.original } else { "" };
            let answer = match timeout_at(deadline, self.page(at, cursor)).await {
                Ok(Some(Ok(found))) => {
                    page.tasks = found.tasks;
                    found.next.map(|next| self.sealed(name, &next)).filter(|sealed| !sealed.is_empty())
                }
                Ok(Some(Err(error))) if !cursor.is_empty() => {
                    let answer = [br#"{"jsonrpc":"2.0","id":"#, id, br#","error":"#, error.as_bytes(), b"}"];
                    return Ok(form.answer(vec![answer.concat().into()]));
                }
                Ok(Some(Err(_)) | None) | Err(_) => None,
            };
            page.next = answer.or_else(|| left.first().map(|at| self.sealed(at.server.name.as_str(), "")));
            if !page.tasks.is_empty() || Instant::now() >= deadline {
                break;
            }
        }
        Ok(form.answer(vec![page.answer(id).into()]))
    }

    /// A page of one server as the client may see it, or the server's error; `None`: it has not answered.
    async fn page(&self, at: &AtServer, cursor: &str) -> Option<Result<Page, String>> {
        let mut params = b"{}".to_vec();
        if !cursor.is_empty() {
            params = [br#"{"cursor":"#, &*splice::quoted(cursor), b"}"].concat();
        }
        let answer = at.query(Method::TasksList.as_str(), &String::from_utf8_lossy(&params)).await;
        let mut answer = answer
            .inspect_err(|error| tracing::debug!(server = %at.server.name, %error, "no tasks listed"))
            .ok()?;
        let origin = Origin {
            snapshot: Arc::clone(&self.head.snapshot),
            server: Arc::clone(&at.server),
            session: self.session.id,
            client: self.session.capabilities,
            rewrites_uris: false,
            rewrites_tasks: true,
        };
        match origin.rewrite(&answer, &*self.endpoint.shared.sealer) {
            Outcome::Same => {}
            Outcome::Changed(changed) => answer = changed,
            Outcome::Refused(_) => return None,
        }
        let answer: Answer<'_> = serde_json::from_slice(&answer).ok()?;
        match (answer.result, answer.error) {
            (Some(listed), None) => Some(Ok(Page {
                tasks: listed.tasks.iter().map(|task| task.get().to_owned()).collect(),
                next: listed.next_cursor.map(Cow::into_owned),
            })),
            (_, Some(error)) => Some(Err(error.get().to_owned())),
            (None, None) => None,
        }
    }

    fn cursor(&self, server: &str, original: &str) -> Alias {
        Alias { session: self.session.id, server: server.into(), original: original.into() }
    }

    fn sealed(&self, server: &str, original: &str) -> String {
        self.endpoint.shared.sealer.seal_alias(AliasKind::Cursor, &self.cursor(server, original))
    }

    fn opened(&self, cursor: &str) -> Option<Alias> {
        let alias = self.endpoint.shared.sealer.open_alias(AliasKind::Cursor, cursor)?;
        (alias.session == self.session.id).then_some(alias)
    }
}

/// A page of tasks, each the JSON of one.
#[derive(Debug, Default)]
struct Page {
    tasks: Vec<String>,
    next: Option<String>,
}

impl Page {
    fn answer(&self, id: &[u8]) -> Vec<u8> {
        let tasks = self.tasks.join(",");
        let begin = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{"tasks":["#, tasks.as_bytes(), b"]"];
        let mut answer = begin.concat();
        if let Some(next) = &self.next {
            answer.extend_from_slice(br#","nextCursor":"#);
            answer.append(&mut splice::quoted(next));
        }
        answer.extend_from_slice(b"}}");
        answer
    }
}

/// What a server answers (2025-11-25, schema, `ListTasksResult`), as much as matters of it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<Listed<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
    #[serde(borrow)]
    next_cursor: Option<Cow<'a, str>>,
}
