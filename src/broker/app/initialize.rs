//! `initialize`: agrees on a revision, says what the servers in scope can do, and issues a session.

use axum::response::Response;
use http::HeaderValue;

use super::{Endpoint, head::Head, instructions, reply::Form};
use crate::{
    credentials,
    exchange::Session,
    mcp::{ClientCapabilities, Message, Rejection, Revision, ServerCapabilities, header},
};

impl Endpoint {
    /// Begins anew, whatever session the request names. The session is bound to the virtual server that a filter
    /// behind the router has named (the router cannot see that one on calls), or else to the one of its path.
    pub(super) fn initialize(
        &self,
        head: &Head,
        message: &Message<'_>,
        body: &[u8],
        form: Form,
    ) -> Result<Response, Rejection> {
        let asked = message.params.protocol_version.as_ref();
        let asked = asked.ok_or(Rejection::MissingParameter { name: "protocolVersion" })?;
        let revision = Revision::negotiate(&asked.value);
        let servers = head.scope(None)?.servers();
        let params = message.params.span.map_or(b"".as_slice(), |span| span.of(body));
        let issued = (self.shared.clock)();
        let session = Session {
            id: credentials::new_session_id().map_err(|_no_randomness| Rejection::Internal)?,
            issued: issued.0,
            expires: issued.plus(self.session_lifetime).0,
            capabilities: ClientCapabilities::of(params),
            revision,
            virtual_server: head.virtual_servers.last().cloned(),
        };
        let token = HeaderValue::try_from(self.shared.sealer.seal_session(&session));
        let mut token = token.map_err(|_unfit| Rejection::Internal)?;
        token.set_sensitive(true);
        let union = servers.iter().map(|server| server.capabilities);
        let union = union.fold(ServerCapabilities::default(), ServerCapabilities::union);
        let mut result = serde_json::json!({
            "protocolVersion": revision.as_str(),
            "capabilities": ServerCapabilities::announced(union),
            "serverInfo": {"name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION")},
        });
        if let (Some(instructions), Some(members)) = (instructions::merged(&servers), result.as_object_mut())
        {
            members.insert("instructions".to_owned(), instructions.into());
        }
        let id = message.id.as_ref().map_or(b"null".as_slice(), |id| id.as_bytes());
        let answer =
            [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, result.to_string().as_bytes(), b"}"]
                .concat();
        let mut response = form.answer(vec![answer.into()]);
        response.headers_mut().insert(header::SESSION_ID, token);
        Ok(response)
    }
}
