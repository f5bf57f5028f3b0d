//! The body of a server on its way to a client that announced some things and not others.

use std::sync::Arc;

use mcp_gateway::{
    exchange::{AliasKind, Form, Origin, Rewriter, SessionId, Tokens},
    mcp::{ClientCapabilities, Kind, Method, scan, sse::Parser},
};

use crate::{
    check,
    exchange::{PlainTokens, SNAPSHOT},
};

/// What goes on of a body, the answers to the server, and the requests that wait.
type Done = (Vec<u8>, Vec<Vec<u8>>, Vec<String>);

/// How a body is cut changes nothing; a request goes on under an alias of the server and the session, and only where
/// it was announced; a body in which nothing can be read goes on as it is.
pub(crate) fn keeps_its_promises(body: &[u8]) -> Result<(), String> {
    let announced = [ClientCapabilities::SAMPLING, ClientCapabilities::ELICITATION_FORM];
    let client = ClientCapabilities(announced[body.len() % 2]);
    for form in [Form::EventStream, Form::Json] {
        let whole = sent(body, body.len().max(1), client, form)?;
        for size in [1, 7] {
            check(sent(body, size, client, form)? == whole, "cutting the body changed it")?;
        }
        let (done, refused, _) = whole;
        let (before, after) = (messages(body, form)?, messages(&done, form)?);
        let readable = |messages: &[Vec<u8>]| messages.iter().filter(|message| scan(message).is_ok()).count();
        if readable(&before) == 0 {
            check(done == body, "a body in which nothing can be read is changed")?;
        }
        check(after.iter().all(|message| may_go_on(message, client)), "a request goes on that may not")?;
        check(refused.iter().all(|answer| scan(answer).is_ok()), "a refusal cannot be read")?;
        check(readable(&before) == readable(&after) + refused.len(), "a message is lost, or made up")?;
    }
    Ok(())
}

fn sent(body: &[u8], size: usize, client: ClientCapabilities, form: Form) -> Result<Done, String> {
    let server = Arc::clone(SNAPSHOT.server("mcp-test/github").ok_or("no server")?);
    let snapshot = Arc::clone(&SNAPSHOT);
    let session = SessionId([7; 16]);
    let origin = Origin { snapshot, server, session, client, rewrites_uris: true, rewrites_tasks: true };
    let mut rewriter = Rewriter::new(origin, form);
    let mut done = Done::default();
    for (piece, end) in body.chunks(size).map(|piece| (piece, false)).chain([(&b""[..], true)]) {
        let rewritten = rewriter.piece(piece, end, &PlainTokens);
        done.0.extend(rewritten.body);
        done.1.extend(rewritten.refused);
    }
    done.2 = rewriter.open_requests().to_vec();
    Ok(done)
}

/// The messages a client reads, one that takes an event for whole where the body ends included.
fn messages(body: &[u8], form: Form) -> Result<Vec<Vec<u8>>, String> {
    if form == Form::Json {
        return Ok(vec![body.to_vec()]);
    }
    let (mut parser, mut messages) = (Parser::default(), Vec::new());
    let ended = [body, b"\n\n"].concat();
    let mut body = &*ended;
    while let Some(event) = parser.next(&mut body).map_err(|error| error.to_string())? {
        messages.push(event.data);
    }
    Ok(messages)
}

fn may_go_on(message: &[u8], client: ClientCapabilities) -> bool {
    let Ok(message) = scan(message) else { return true };
    let (Kind::Request, Some(id), Some(method)) = (message.kind, message.id, message.method) else {
        return true;
    };
    let asked = [
        (Method::Ping, u32::MAX),
        (Method::SamplingCreateMessage, ClientCapabilities::SAMPLING),
        (Method::ElicitationCreate, ClientCapabilities::ELICITATION_FORM),
    ];
    let method = Method::of(&method.value);
    let needed = asked.iter().find(|(asked, _)| *asked == method).map_or(0, |(_, needed)| *needed);
    let alias = serde_json::from_str::<String>(id.as_str())
        .ok()
        .and_then(|alias| PlainTokens.open_alias(AliasKind::Request, &alias));
    let ours =
        alias.is_some_and(|alias| &*alias.server == "mcp-test/github" && alias.session == SessionId([7; 16]));
    ours && client.has_any(needed)
}
