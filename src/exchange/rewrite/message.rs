//! One message of a server: what of it is replaced, and whether it goes on at all.

use super::{AliasKind, Origin, Outcome, Tokens, answer};
use crate::mcp::{
    ClientCapabilities, Edits, Fault, Kind, Message, Method, Rejection, Span, scan,
    scan::{Params, text},
    splice::quoted,
};

/// What a message means for those who wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A request of the server goes on under this alias.
    Asked(String),
    /// The server does not wait any more for the answer to the request with this alias.
    GivenUp(String),
    /// The answer to a request of the client.
    Answered,
    Other,
}

impl Origin {
    /// What `message`, one JSON-RPC message of the server, becomes.
    ///
    /// What cannot be read as one goes on as it is: a client that takes it for a request of the server answers with an
    /// id that opens nothing, and is refused.
    pub fn rewrite(&self, message: &[u8], tokens: &impl Tokens) -> Outcome {
        self.read(message, tokens).0
    }

    /// The same, and what the message means.
    pub(super) fn read(&self, body: &[u8], tokens: &impl Tokens) -> (Outcome, Meaning) {
        let Ok(message) = scan(body) else { return (Outcome::Same, Meaning::Other) };
        let mut edits = Edits::default();
        let meaning = match message.kind {
            Kind::Request => match self.request(body, &message, &mut edits, tokens) {
                Ok(meaning) => meaning,
                Err(refused) => return (Outcome::Refused(refused), Meaning::Other),
            },
            Kind::Notification => self.notification(body, &message, &mut edits, tokens),
            Kind::Result => {
                let result = message.outcome.unwrap_or_default();
                edits = answer::edits(self, body, result, tokens);
                Meaning::Answered
            }
            Kind::Error => Meaning::Answered,
        };
        if edits.is_empty() {
            return (Outcome::Same, meaning);
        }
        (Outcome::Changed(edits.apply(body)), meaning)
    }

    /// Puts aliases in the place of what the client will repeat; refuses what the client did not announce.
    fn request(
        &self,
        body: &[u8],
        message: &Message<'_>,
        edits: &mut Edits,
        tokens: &impl Tokens,
    ) -> Result<Meaning, Vec<u8>> {
        let (method, params) = (method(message), &message.params);
        let Some(id) = message.id else { return Ok(Meaning::Other) };
        if !self.may_ask(method, params) {
            let name = message.method.as_ref().map(|name| name.value.clone().into_owned());
            let refusal = Rejection::NotSupported { method: name.unwrap_or_default() };
            return Err(refusal.response(Some(id)).body);
        }
        let alias = self.alias(AliasKind::Request, id.as_str(), tokens);
        if alias.is_empty() {
            return Err(Rejection::Malformed { fault: Fault::BadId, at: 0 }.response(Some(id)).body); // too long to seal
        }
        replace(edits, id.span_in(body), &alias);
        if let Some(token) = params.meta.progress_token {
            let alias = self.alias(AliasKind::Progress, token.as_str(), tokens);
            replace(edits, token.span_in(body), &alias);
        }
        if !CLIENT_TASKS.contains(&method) {
            self.related_task(params, edits, tokens);
        }
        Ok(Meaning::Asked(alias))
    }

    /// Whether the client has announced that it takes such a request.
    fn may_ask(&self, method: Method, params: &Params<'_>) -> bool {
        type Announced = ClientCapabilities;
        let mode = params.mode.as_ref().map(|mode| &*mode.value);
        let needed = match (method, mode) {
            (Method::Ping, _) => return true,
            (Method::ElicitationCreate, None | Some("form")) => Announced::ELICITATION_FORM,
            (Method::ElicitationCreate, Some("url")) => Announced::ELICITATION_URL,
            (Method::SamplingCreateMessage, _) => Announced::SAMPLING,
            (Method::RootsList, _) => Announced::ROOTS,
            // to the client all servers are one: it would name the tasks of the others, whose results could then be had
            (Method::TasksList, _) => return false,
            (method, _) if CLIENT_TASKS.contains(&method) => Announced::TASKS,
            _ => return false,
        };
        self.client.has_any(needed)
    }

    fn notification(
        &self,
        body: &[u8],
        message: &Message<'_>,
        edits: &mut Edits,
        tokens: &impl Tokens,
    ) -> Meaning {
        let (method, params) = (method(message), &message.params);
        self.related_task(params, edits, tokens);
        if method == Method::LogMessage {
            edits.extend(self.logger(body, params));
        } else if method == Method::TasksStatus
            && let Some(task) = &params.task_id
        {
            edits.replace(task.span, self.quoted_alias(AliasKind::Task, &task.value, tokens));
        } else if method == Method::ResourcesUpdated
            && let Some(uri) = &params.uri
        {
            let exposed = self.snapshot.exposed_uri(&self.server, &uri.value);
            if exposed != uri.value {
                edits.replace(uri.span, quoted(&exposed));
            }
        } else if method == Method::Cancelled
            && let Some(request) = params.request_id
        {
            let alias = self.alias(AliasKind::Request, request.as_str(), tokens);
            replace(edits, request.span_in(body), &alias);
            return Meaning::GivenUp(alias);
        }
        Meaning::Other
    }

    fn related_task(&self, params: &Params<'_>, edits: &mut Edits, tokens: &impl Tokens) {
        let task = params.meta.related_task.as_ref();
        edits.extend(task.map(|task| (task.span, self.quoted_alias(AliasKind::Task, &task.value, tokens))));
    }

    /// Puts the server's name before that of its logger.
    fn logger(&self, body: &[u8], params: &Params<'_>) -> Option<(Span, Vec<u8>)> {
        let name = self.server.name.as_str();
        let whole = params.span?;
        if let Some(span) = params.logger {
            let said = text(body, span).filter(|said| !said.value.is_empty());
            let logger = said.map_or_else(|| name.to_owned(), |said| format!("{name}/{}", said.value));
            return Some((span, quoted(&logger)));
        }
        let is_empty = whole.of(body).iter().skip(1).all(|byte| byte.is_ascii_whitespace() || *byte == b'}');
        let at = whole.start + 1;
        let mut member = [br#""logger":"#, &*quoted(name)].concat();
        member.extend((!is_empty).then_some(b','));
        Some((Span { start: at, end: at }, member))
    }
}

/// Requests about tasks of the client's own: their ids are its, and go on as they are.
const CLIENT_TASKS: [Method; 4] =
    [Method::TasksGet, Method::TasksResult, Method::TasksList, Method::TasksCancel];

fn method(message: &Message<'_>) -> Method {
    message.method.as_ref().map_or(Method::Other, |method| Method::of(&method.value))
}

fn replace(edits: &mut Edits, span: Option<Span>, alias: &str) {
    edits.extend(span.map(|span| (span, quoted(alias))));
}
