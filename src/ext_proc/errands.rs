//! What is done beside an exchange and waits for nothing: replies to servers, and answers that come too late from now on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{Parts, codec, session::asked_in};
use crate::{
    exchange::{HairpinRight, SessionId},
    mcp::Revision,
    routing::Server,
    sessions::{Errand, Found, ServerSession},
};

/// Errands at once; one more is left undone.
const MAX_ERRANDS: usize = 256;

static ERRANDS: Semaphore = Semaphore::const_new(MAX_ERRANDS);

/// Longest time for all replies of one errand: a server that asks much and takes no answer must not hold up the others'.
const REPLY_DEADLINE: Duration = Duration::from_secs(5);

/// A server, in one gateway session.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) session: SessionId,
    pub(super) server: Arc<Server>,
}

/// Tells the server that its client cannot be asked what it has asked. One that is not told waits until its own deadline.
pub(super) fn reply(parts: &Arc<Parts>, peer: &Peer, request: &Bytes, messages: Vec<Vec<u8>>) {
    let Some(permit) = permit() else { return };
    let (shared, parts) = (parts, Arc::clone(parts));
    let (peer, request) = (peer.clone(), request.clone());
    let errand = async move {
        let server = peer.server.name.as_str();
        let session = match parts.store.find(peer.session, server).await {
            Ok(Found::Session(session)) => session,
            Ok(Found::Missing) if !peer.server.issues_sessions => {
                ServerSession::without_id(peer.server.revision.unwrap_or(Revision::LATEST))
            }
            Ok(Found::Missing | Found::Revoked) | Err(_) => return,
        };
        let right = HairpinRight { server: server.into(), hostname: peer.server.hostname.as_str().into() };
        let headers = codec::header_fields(&request).unwrap_or_default();
        let errand = Errand { right: &right, headers: &headers, set: &[] };
        let replies = async {
            for message in messages {
                if let Err(error) = parts.hairpin.send(errand, &session, message).await {
                    tracing::debug!(server, %error, "a server was not told that its client cannot be asked");
                }
            }
        };
        if timeout(REPLY_DEADLINE, replies).await.is_err() {
            tracing::debug!(server, "a server has more questions than it takes answers");
        }
        drop(permit);
    };
    shared.tasks.spawn_on(errand, &shared.aside);
}

/// Nobody may answer the requests known as `aliases` any more. Should this not be done, the server itself has to tell that
/// an answer is late.
pub(super) fn settle(
    parts: &Arc<Parts>,
    peer: &Peer,
    server_session: Option<&ServerSession>,
    aliases: Vec<String>,
) {
    let Some(permit) = permit() else { return };
    let (shared, parts, session) = (parts, Arc::clone(parts), peer.session);
    let server_session = server_session.cloned();
    let errand = async move {
        for alias in aliases {
            let asked = asked_in(server_session.as_ref().and_then(ServerSession::id), &alias);
            if parts.store.settle(session, &asked).await.is_err() {
                parts.metrics.store_error();
            }
        }
        drop(permit);
    };
    shared.tasks.spawn_on(errand, &shared.aside);
}

fn permit() -> Option<SemaphorePermit<'static>> {
    let permit = ERRANDS.try_acquire().ok();
    if permit.is_none() {
        tracing::debug!("too many errands are under way, one is left undone");
    }
    permit
}
