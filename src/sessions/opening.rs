//! Opens a server session as its client wants it: once, with the client's capabilities, at the client's log level.

use super::{Errand, Hairpin, OpenError, OpenFailure, Opened, ServerSession, Store};
use crate::{
    clock::UnixTime,
    exchange::SessionId,
    mcp::{ClientCapabilities, Method, Revision, ServerCapabilities, splice},
};

/// Which server session is opened, for whom.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The gateway session.
    pub session: SessionId,
    /// When it ends.
    pub expires: UnixTime,
    /// The id that the server no longer knows.
    pub lost: Option<&'a str>,
    pub errand: Errand<'a>,
    /// The one that the client speaks.
    pub revision: Revision,
    /// What the client has announced.
    pub capabilities: ClientCapabilities,
}

impl Store {
    /// [`Store::open`] with [`Hairpin::open`], at the session's log level where the server can log.
    pub async fn open_through(
        &self,
        hairpin: &Hairpin,
        opening: Opening<'_>,
    ) -> Result<Opened, OpenFailure<OpenError>> {
        let Opening { session, expires, lost, errand, revision, capabilities } = opening;
        let mut applied = None;
        let opener = async {
            let (opened, announced) = hairpin.initialize(errand, revision, capabilities).await?;
            if announced.has(ServerCapabilities::LOGGING) {
                let level = self.level(session).await.unwrap_or_default();
                hairpin.set_level(errand, &opened, level.as_deref()).await;
                applied = Some((opened.clone(), level));
            }
            Ok(opened)
        };
        let opened = Box::pin(self.open(session, expires, &errand.right.server, lost, opener)).await?;
        // who sets another level sends it to the sessions that are stored: this one was not, a moment ago
        if let Some((session_at_server, applied)) = applied
            && let Ok(level) = self.level(session).await
            && level != applied
        {
            hairpin.set_level(errand, &session_at_server, level.as_deref()).await;
        }
        Ok(opened)
    }
}

impl Hairpin {
    /// A server that does not take the level logs as it likes.
    async fn set_level(&self, errand: Errand<'_>, session: &ServerSession, level: Option<&str>) {
        let Some(level) = level else { return };
        let quoted = splice::quoted(level);
        let params = [br#"{"level":"#, &*quoted, b"}"].concat();
        let params = String::from_utf8_lossy(&params);
        if let Err(error) = self.query(errand, session, Method::SetLevel.as_str(), &params).await {
            tracing::debug!(server = %errand.right.server, %error, "the log level was not set");
        }
    }
}
