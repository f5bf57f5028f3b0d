//! The head of a request, borrowed from the attachment.

use smallvec::SmallVec;

use super::{BodyMode, Mutation, Session, SessionFault, Tokens, Value, probe::Probe};
use crate::{
    mcp::{Message, Method, Rejection, Revision, header},
    routing::Snapshot,
};

/// One header field; the name in lower case, as Envoy has it (pseudo-headers with their colon).
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
}

/// All header fields of a message, in order.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a>(pub &'a [Header<'a>]);

impl<'a> Head<'a> {
    /// The first value of `name`.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|header| header.name == name).map(|header| header.value)
    }

    /// The first value of `name` if it is text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.first(name)?).ok()
    }

    /// The value of `name`, which two servers could read differently if it stood twice.
    pub fn single(&self, name: &'static str) -> Result<Option<&'a [u8]>, Rejection> {
        let mut values = self.0.iter().filter(|header| header.name == name).map(|header| header.value);
        let first = values.next();
        if values.next().is_some() {
            return Err(Rejection::RepeatedHeader { name });
        }
        Ok(first)
    }

    /// Names of the header fields that only the gateway may set.
    pub fn internal(&self) -> Vec<String> {
        let internal = self.0.iter().filter(|header| header::is_internal(header.name));
        let mut names: Vec<String> = internal.map(|header| header.name.to_owned()).collect();
        names.dedup();
        names
    }
}

/// What the client has sent beside its message, as far as it decides what its server gets. Each change costs Envoy
/// something: what is right or absent already is left alone.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Header fields that only the gateway may set.
    pub(super) internal: Vec<String>,
    /// Header fields that its server is not to get.
    pub(super) unwanted: SmallVec<[&'static str; 4]>,
    pub(super) accepts_encodings: bool,
    pub(super) has_authorization: bool,
    /// Whether servers that insist on both media types will be content with `accept`.
    pub(super) accepts_both: bool,
    /// `:path`, where it is the one that most servers have, too.
    pub(super) path: Option<&'static str>,
    /// `mcp-protocol-version`.
    pub(super) revision: Option<Revision>,
}

impl Sent {
    fn read(head: Head<'_>) -> Self {
        // the origin is checked here and means nothing to the server; names for other eras would be wrong now
        let unwanted = ["origin", header::MCP_METHOD, header::MCP_NAME];
        let accept = head.text("accept").unwrap_or_default();
        Self {
            internal: head.internal(),
            unwanted: unwanted.into_iter().filter(|name| head.first(name).is_some()).collect(),
            accepts_encodings: head.first("accept-encoding").is_some(),
            has_authorization: head.first("authorization").is_some(),
            accepts_both: accept.contains("application/json") && accept.contains("text/event-stream"),
            path: Some(ENDPOINT).filter(|path| head.first(":path") == Some(path.as_bytes())),
            revision: head.text(header::PROTOCOL_VERSION).and_then(Revision::parse),
        }
    }
}

/// What of a request to the gateway's own host matters after its head has gone by.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) body_mode: BodyMode,
    /// Pieces of a duplex body so far.
    pub(super) duplex_body: Vec<u8>,
    pub(super) sent: Sent,
    pub(super) session: Option<Result<Session, SessionFault>>,
    posted: bool,
    unsupported_revision: Option<String>,
    virtual_by_path: Option<Box<str>>,
    virtual_by_filter: Option<Box<str>>,
}

impl Incoming {
    /// Reads the head of a request to the gateway's own host; refuses what must not go any further.
    pub(super) fn read(
        snapshot: &Snapshot,
        head: Head<'_>,
        body_mode: BodyMode,
        virtual_server: Option<&str>,
        tokens: &impl Tokens,
    ) -> Result<Self, Rejection> {
        let bytes: usize = head.0.iter().map(|header| header.name.len() + header.value.len()).sum();
        if head.0.len() > MAX_FIELDS || bytes > MAX_FIELD_BYTES {
            return Err(Rejection::HeadersTooLarge { fields: MAX_FIELDS, bytes: MAX_FIELD_BYTES });
        }
        if let Some(origin) = head.single("origin")? {
            let allowed = std::str::from_utf8(origin).is_ok_and(|origin| snapshot.allows_origin(origin));
            if !allowed {
                return Err(Rejection::OriginNotAllowed);
            }
        }
        let path = head.text(":path").and_then(|path| path.split('?').next()).unwrap_or_default();
        let virtual_by_path = path.strip_prefix(VIRTUAL_PATH).map(|name| name.trim_end_matches('/'));
        let on_endpoint = matches!(path, ENDPOINT | ENDPOINT_SLASH) || virtual_by_path.is_some();
        let posted = on_endpoint && head.text(":method") == Some("POST");
        if posted {
            header::check_body(
                |name| head.single(name),
                head.text("content-length"),
                snapshot.limits().body,
            )?;
        }
        let asked = head.single(header::PROTOCOL_VERSION)?.map(String::from_utf8_lossy);
        head.single("authorization")?;
        Ok(Self {
            body_mode,
            duplex_body: Vec::new(),
            sent: Sent::read(head),
            session: head.single(header::SESSION_ID)?.map(|token| tokens.open_session(token)),
            posted,
            unsupported_revision: asked.filter(|asked| Revision::parse(asked).is_none()).map(Into::into),
            virtual_by_path: virtual_by_path.map(Into::into),
            virtual_by_filter: virtual_server.map(Into::into),
        })
    }

    /// Whether the body is a message to decide on.
    pub(super) fn is_message(&self) -> bool {
        self.posted
    }

    /// What the head says must fit the message: a revision of ours, and a session that lives. `initialize` begins
    /// anew, whatever the head says.
    pub(super) fn check(&self, message: &Message<'_>) -> Result<(), Rejection> {
        let method = message.method.as_ref().map(|method| Method::of(&method.value));
        if method == Some(Method::Initialize) {
            return Ok(());
        }
        if let Some(asked) = &self.unsupported_revision {
            return Err(Rejection::UnsupportedRevision { asked: asked.clone() });
        }
        match self.session {
            Some(Err(SessionFault::Unknown)) => Err(Rejection::UnknownSession),
            Some(Err(SessionFault::Expired)) => Err(Rejection::ExpiredSession),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// Every virtual server that limits the request.
    pub(super) fn virtual_servers(&self) -> Vec<&str> {
        let by_session = self.session.as_ref().and_then(|session| session.as_ref().ok());
        let by_session = by_session.and_then(|session| session.virtual_server.as_deref());
        self.named_virtual_servers().into_iter().chain(by_session).collect()
    }

    fn named_virtual_servers(&self) -> Vec<&str> {
        [self.virtual_by_path.as_deref(), self.virtual_by_filter.as_deref()].into_iter().flatten().collect()
    }

    /// To the broker as it is, with what the broker may believe.
    pub(super) fn to_broker(&self, tokens: &impl Tokens, probe: Option<&Probe>) -> Mutation {
        let routed = tokens.seal_routed(&self.named_virtual_servers());
        let mut set = vec![
            (header::X_MCP_ROUTED, Value::text(routed)),
            (header::X_MCP_SERVERNAME, Value::Static(header::BROKER)),
        ];
        set.extend(probe.map(Probe::to_broker));
        Mutation { set, ..Mutation::default() }.without(&self.sent.internal)
    }
}

/// Header fields of a request. Envoy takes 100 and fails with 500 where the router's own come on top of as many.
pub const MAX_FIELDS: usize = 88;
/// Bytes of their names and values. Of the 60 KiB that Envoy takes, the rest is for credentials and session ids.
pub const MAX_FIELD_BYTES: usize = 40 << 10;

const ENDPOINT: &str = "/mcp";
const ENDPOINT_SLASH: &str = "/mcp/";
/// Below it lie the endpoints of virtual servers: `/mcp/virtual/NAMESPACE/NAME`.
const VIRTUAL_PATH: &str = "/mcp/virtual/";
