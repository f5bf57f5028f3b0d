//! Seals and opens the gateway's tokens: session ids, hairpin rights, what the router tells the broker.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use super::{KeyRing, envelope::Purpose};
use crate::{
    clock::UnixTime,
    exchange::{HairpinRight, Session, SessionFault, SessionId, Tokens},
    mcp::Revision,
    proto,
};

/// How long a hairpin right is good: the gateway's own request is made at once.
const HAIRPIN_LIFE: Duration = Duration::from_secs(30);

/// How long a probe is good: it is made at once.
const PROBE_LIFE: Duration = Duration::from_secs(30);

/// How long the broker believes what the router said of a request.
const ROUTED_LIFE: Duration = Duration::from_mins(1);

/// Seals with the first key of a ring, opens with any. Computes only.
#[derive(Debug)]
pub struct Sealer {
    ring: ArcSwap<KeyRing>,
    clock: fn() -> UnixTime,
}

/// What the router said of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// `namespace/name` of each virtual server that limits the request.
    pub virtual_servers: Vec<Box<str>>,
}

impl Sealer {
    /// `clock` tells when tokens end.
    pub fn new(ring: KeyRing, clock: fn() -> UnixTime) -> Self {
        Self { ring: ArcSwap::from_pointee(ring), clock }
    }

    /// Seals and opens with another ring from now on.
    pub fn replace_keys(&self, ring: KeyRing) {
        self.ring.store(Arc::new(ring));
    }

    /// The gateway session id that the client gets.
    pub fn seal_session(&self, session: &Session) -> String {
        let payload = proto::Session {
            id: session.id.0.to_vec(),
            issued: session.issued,
            expires: session.expires,
            capabilities: session.capabilities,
            revision: session.revision.as_str().to_owned(),
            virtual_server: session.virtual_server.as_deref().unwrap_or_default().to_owned(),
        };
        self.seal(Purpose::Session, &payload)
    }

    /// The right of one of the gateway's own requests, good for [`HAIRPIN_LIFE`].
    pub fn seal_hairpin(&self, right: &HairpinRight) -> String {
        let payload = proto::Hairpin {
            server: right.server.clone().into(),
            hostname: right.hostname.clone().into(),
            expires: self.now().plus(HAIRPIN_LIFE).0,
        };
        self.seal(Purpose::Hairpin, &payload)
    }

    /// What makes one of the gateway's own requests a probe, good for [`PROBE_LIFE`].
    pub fn seal_probe(&self, nonce: &str) -> String {
        let payload = proto::Probe { nonce: nonce.to_owned(), expires: self.now().plus(PROBE_LIFE).0 };
        self.seal(Purpose::Probe, &payload)
    }

    /// Opens what the router told the broker; `None` if it is not the router's or is older than [`ROUTED_LIFE`].
    pub fn open_routed(&self, token: &[u8]) -> Option<Routed> {
        let routed: proto::Routed = self.open(Purpose::Broker, token)?;
        let virtual_servers = routed.virtual_servers.into_iter().map(Into::into).collect();
        self.is_live(routed.expires).then_some(Routed { virtual_servers })
    }

    /// Empty, which opens as nothing, if there is no key or the system has no randomness.
    fn seal(&self, purpose: Purpose, payload: &impl prost::Message) -> String {
        self.ring.load().seal(purpose, payload.encode_to_vec()).unwrap_or_default()
    }

    fn open<P: prost::Message + Default>(&self, purpose: Purpose, token: &[u8]) -> Option<P> {
        P::decode(&*self.ring.load().open(purpose, token)?).ok()
    }

    fn is_live(&self, expires: u64) -> bool {
        self.now() < UnixTime(expires)
    }

    fn now(&self) -> UnixTime {
        (self.clock)()
    }
}

impl Tokens for Sealer {
    fn open_session(&self, token: &[u8]) -> Result<Session, SessionFault> {
        let session: proto::Session = self.open(Purpose::Session, token).ok_or(SessionFault::Unknown)?;
        if !self.is_live(session.expires) {
            return Err(SessionFault::Expired);
        }
        let id = session.id.try_into().map_err(|_length| SessionFault::Unknown)?;
        Ok(Session {
            id: SessionId(id),
            issued: session.issued,
            expires: session.expires,
            capabilities: session.capabilities,
            revision: Revision::parse(&session.revision).ok_or(SessionFault::Unknown)?,
            virtual_server: Some(session.virtual_server).filter(|name| !name.is_empty()).map(Into::into),
        })
    }

    fn open_hairpin(&self, token: &[u8]) -> Option<HairpinRight> {
        let right: proto::Hairpin = self.open(Purpose::Hairpin, token)?;
        let is_live = self.is_live(right.expires);
        is_live.then(|| HairpinRight { server: right.server.into(), hostname: right.hostname.into() })
    }

    fn open_probe(&self, token: &[u8]) -> Option<Box<str>> {
        let probe: proto::Probe = self.open(Purpose::Probe, token)?;
        self.is_live(probe.expires).then(|| probe.nonce.into())
    }

    fn seal_routed(&self, virtual_servers: &[&str]) -> String {
        let payload = proto::Routed {
            expires: self.now().plus(ROUTED_LIFE).0,
            virtual_servers: virtual_servers.iter().map(|&name| name.to_owned()).collect(),
        };
        self.seal(Purpose::Broker, &payload)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::credentials::{envelope::MAX_TOKEN_BYTES, new_session_id};

    const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const NEW: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

    thread_local!(static NOW: Cell<u64> = const { Cell::new(1_000) });

    fn now() -> UnixTime {
        UnixTime(NOW.get())
    }

    fn sealer(keys: &[&str]) -> Sealer {
        Sealer::new(KeyRing::parse(&keys.join("\n")).unwrap(), now)
    }

    fn session() -> Session {
        Session {
            id: SessionId([7; 16]),
            issued: 1_000,
            expires: 2_000,
            capabilities: 5,
            revision: Revision::V2025_06_18,
            virtual_server: Some("mcp-test/readers".into()),
        }
    }

    fn right() -> HairpinRight {
        HairpinRight { server: "mcp-test/github".into(), hostname: "github.mcp.local".into() }
    }

    #[test]
    fn a_session_opens_until_it_expires() {
        let sealer = sealer(&[OLD]);
        let unbound = Session { virtual_server: None, ..session() };
        for session in [session(), unbound] {
            NOW.set(1_000);
            let token = sealer.seal_session(&session);
            NOW.set(1_999);
            assert_eq!(sealer.open_session(token.as_bytes()), Ok(session));
            NOW.set(2_000);
            assert_eq!(sealer.open_session(token.as_bytes()), Err(SessionFault::Expired));
        }
    }

    #[test]
    fn rights_and_routing_are_good_for_seconds() {
        let sealer = sealer(&[OLD]);
        let probe = sealer.seal_probe("0123");
        assert_eq!(sealer.open_probe(probe.as_bytes()).as_deref(), Some("0123"));
        let (hairpin, routed) =
            (sealer.seal_hairpin(&right()), sealer.seal_routed(&["mcp-test/a", "mcp-test/b"]));
        let names = Routed { virtual_servers: vec!["mcp-test/a".into(), "mcp-test/b".into()] };
        assert_eq!(sealer.open_hairpin(hairpin.as_bytes()), Some(right()));
        assert_eq!(sealer.open_routed(routed.as_bytes()), Some(names.clone()));
        NOW.set(1_030);
        assert_eq!(sealer.open_hairpin(hairpin.as_bytes()), None);
        assert_eq!(sealer.open_probe(probe.as_bytes()), None);
        NOW.set(1_059);
        assert_eq!(sealer.open_routed(routed.as_bytes()), Some(names));
        NOW.set(1_060);
        assert_eq!(sealer.open_routed(routed.as_bytes()), None);
    }

    #[test]
    fn an_old_key_opens_after_rotation_and_a_removed_key_does_not() {
        let token = sealer(&[OLD]).seal_session(&session());
        let rotated = sealer(&[NEW, OLD]);
        assert_eq!(rotated.open_session(token.as_bytes()), Ok(session()));
        let sealed_anew = rotated.seal_session(&session());
        let without_old = sealer(&[NEW]);
        assert_eq!(without_old.open_session(sealed_anew.as_bytes()), Ok(session()));
        assert_eq!(without_old.open_session(token.as_bytes()), Err(SessionFault::Unknown));
    }

    #[test]
    fn without_a_key_nothing_is_sealed_until_there_is_one() {
        let sealer = Sealer::new(KeyRing::empty(), now);
        assert_eq!(sealer.seal_session(&session()), "");
        sealer.replace_keys(KeyRing::parse(OLD).unwrap());
        let token = sealer.seal_session(&session());
        assert_eq!(sealer.open_session(token.as_bytes()), Ok(session()));
    }

    #[test]
    fn another_key_under_the_same_id_opens_nothing() {
        let token = sealer(&[&format!("00000001:{OLD}")]).seal_session(&session());
        let other = sealer(&[&format!("00000001:{NEW}")]);
        assert_eq!(other.open_session(token.as_bytes()), Err(SessionFault::Unknown));
    }

    #[test]
    fn one_kind_never_opens_as_another() {
        let sealer = sealer(&[OLD]);
        let tokens = [
            sealer.seal_session(&session()),
            sealer.seal_hairpin(&right()),
            sealer.seal_routed(&["mcp-test/readers"]),
            sealer.seal_probe("0123"),
        ];
        let opened = tokens.each_ref().map(|token| {
            let token = token.as_bytes();
            [
                sealer.open_session(token).is_ok(),
                sealer.open_hairpin(token).is_some(),
                sealer.open_routed(token).is_some(),
                sealer.open_probe(token).is_some(),
            ]
        });
        for (kind, opened) in opened.into_iter().enumerate() {
            let mut as_itself = [false; 4];
            as_itself[kind] = true;
            assert_eq!(opened, as_itself);
        }
    }

    #[test]
    fn a_token_longer_than_the_limit_is_not_opened() {
        let sealer = sealer(&[OLD]);
        let name = "n".repeat(MAX_TOKEN_BYTES);
        assert_eq!(sealer.open_routed(sealer.seal_routed(&[&name]).as_bytes()), None);
    }

    #[test]
    fn no_two_tokens_and_no_two_names_are_alike() {
        let sealer = Sealer::new(KeyRing::generate().unwrap(), now);
        assert_ne!(sealer.seal_session(&session()), sealer.seal_session(&session()));
        assert_ne!(new_session_id().unwrap(), new_session_id().unwrap());
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_is_visible_ascii(id: [u8; 16], capabilities: u32, name in "[a-z/]{0,500}") {
            let sealer = sealer(&[OLD]);
            let virtual_server = Some(name).filter(|name| !name.is_empty()).map(Into::into);
            let session = Session { id: SessionId(id), capabilities, virtual_server, ..session() };
            let token = sealer.seal_session(&session);
            prop_assert!(token.bytes().all(|byte| matches!(byte, 0x21..=0x7E)) && token.len() <= MAX_TOKEN_BYTES);
            prop_assert_eq!(sealer.open_session(token.as_bytes()), Ok(session));
        }

        #[test]
        fn a_token_with_any_byte_changed_does_not_open(at: prop::sample::Index, byte: u8) {
            let sealer = sealer(&[OLD]);
            let mut token = sealer.seal_session(&session()).into_bytes();
            let at = at.index(token.len());
            prop_assume!(token[at] != byte);
            token[at] = byte;
            prop_assert_eq!(sealer.open_session(&token), Err(SessionFault::Unknown));
        }

        #[test]
        fn a_token_cut_or_made_longer_does_not_open(keep: prop::sample::Index, tail in "[A-Za-z0-9_-]{1,8}") {
            let sealer = sealer(&[OLD]);
            let token = sealer.seal_session(&session());
            let cut = &token.as_bytes()[..keep.index(token.len())];
            prop_assert_eq!(sealer.open_session(cut), Err(SessionFault::Unknown));
            prop_assert_eq!(sealer.open_session((token + &tail).as_bytes()), Err(SessionFault::Unknown));
        }

        #[test]
        fn no_bytes_make_it_panic(token: Vec<u8>) {
            let sealer = sealer(&[OLD]);
            prop_assert_eq!(sealer.open_session(&token), Err(SessionFault::Unknown));
            prop_assert_eq!(sealer.open_hairpin(&token), None);
            prop_assert_eq!(sealer.open_probe(&token), None);
            prop_assert_eq!(sealer.open_routed(&token), None);
        }
    }
}
