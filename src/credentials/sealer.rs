//! Seals and opens the gateway's tokens: session ids, hairpin rights, aliases, what the router tells the broker.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prost::Message as _;

use super::{
    KeyRing,
    envelope::{MAX_SEALED_BYTES, Purpose},
};
use crate::{
    clock::UnixTime,
    exchange::{
        Alias, AliasKind, HairpinRight, MAX_ORIGINAL_BYTES, MAX_PLACE_BYTES, MAX_PLACES, Place, Session,
        SessionFault, SessionId, Tokens,
    },
    mcp::{ClientCapabilities, Revision},
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
            capabilities: session.capabilities.0,
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

    /// The id of an event of the merged stream. What is over a limit of [`Place`] is left out.
    pub fn seal_place(&self, place: &Place) -> String {
        let versions = place.versions.to_vec();
        let mut payload = proto::Place { session: place.session.0.to_vec(), versions, servers: Vec::new() };
        for (server, event) in place.servers.iter().rev() {
            if event.len() > MAX_PLACE_BYTES {
                continue;
            }
            if payload.servers.len() == MAX_PLACES {
                break;
            }
            let (server, event) = (server.clone().into(), event.clone().into());
            payload.servers.push(proto::place::Server { server, event });
            if payload.encoded_len() > MAX_SEALED_BYTES {
                payload.servers.pop();
                break;
            }
        }
        payload.servers.reverse();
        self.seal(Purpose::Place, &payload)
    }

    /// Opens what [`Sealer::seal_place`] has sealed; `None` if it is not ours or another session's.
    pub fn open_place(&self, token: &[u8], session: SessionId) -> Option<Place> {
        let place: proto::Place = self.open(Purpose::Place, token)?;
        if place.session != session.0 {
            return None;
        }
        let servers = place.servers.into_iter().map(|at| (at.server.into(), at.event.into()));
        Some(Place { session, versions: place.versions.try_into().ok()?, servers: servers.collect() })
    }

    /// Empty, which opens as nothing, if there is no key or the system has no randomness.
    fn seal(&self, purpose: Purpose, payload: &impl prost::Message) -> String {
        self.ring.load().seal(purpose, payload.encode_to_vec()).unwrap_or_default()
    }

    fn open<P: prost::Message + Default>(&self, purpose: Purpose, token: &[u8]) -> Option<P> {
        self.ring.load().open(purpose, token, |payload| P::decode(payload).ok())
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
            capabilities: ClientCapabilities(session.capabilities),
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

    fn seal_alias(&self, kind: AliasKind, alias: &Alias) -> String {
        if alias.original.len() > MAX_ORIGINAL_BYTES {
            return String::new();
        }
        let payload = proto::Alias {
            session: alias.session.0.to_vec(),
            server: alias.server.clone().into(),
            original: alias.original.clone().into(),
        };
        let sealed = self.ring.load().seal_alike(Purpose::Alias(kind), payload.encode_to_vec());
        sealed.unwrap_or_default()
    }

    fn open_alias(&self, kind: AliasKind, token: &str) -> Option<Alias> {
        let alias: proto::Alias = self.open(Purpose::Alias(kind), token.as_bytes())?;
        let session = alias.session.try_into().ok()?;
        let (server, original) = (alias.server.into(), alias.original.into());
        Some(Alias { session: SessionId(session), server, original })
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
            capabilities: ClientCapabilities(5),
            revision: Revision::V2025_06_18,
            virtual_server: Some("mcp-test/readers".into()),
        }
    }

    fn right() -> HairpinRight {
        HairpinRight { server: "mcp-test/github".into(), hostname: "github.mcp.local".into() }
    }

    const KINDS: [AliasKind; 5] =
        [AliasKind::Request, AliasKind::Progress, AliasKind::Task, AliasKind::Event, AliasKind::Cursor];

    fn alias() -> Alias {
        let (server, original) = ("mcp-test/github".into(), "\"a-1\"".into());
        Alias { session: SessionId([7; 16]), server, original }
    }

    fn place() -> Place {
        let servers = vec![("mcp-test/github".into(), "e-1".into()), ("mcp-test/other".into(), "".into())];
        Place { session: SessionId([7; 16]), versions: [1, 0, u64::MAX], servers }
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
        let mut tokens = vec![
            sealer.seal_session(&session()),
            sealer.seal_hairpin(&right()),
            sealer.seal_routed(&["mcp-test/readers"]),
            sealer.seal_probe("0123"),
            sealer.seal_place(&place()),
        ];
        tokens.extend(KINDS.map(|kind| sealer.seal_alias(kind, &alias())));
        for (kind, token) in tokens.iter().enumerate() {
            let opened = opened_as(&sealer, token);
            let as_itself: Vec<_> = (0..tokens.len()).map(|other| other == kind).collect();
            assert_eq!(opened, as_itself, "{token}");
        }
    }

    /// Whether `token` opens as each kind.
    fn opened_as(sealer: &Sealer, token: &str) -> Vec<bool> {
        let bytes = token.as_bytes();
        let mut opened = vec![
            sealer.open_session(bytes).is_ok(),
            sealer.open_hairpin(bytes).is_some(),
            sealer.open_routed(bytes).is_some(),
            sealer.open_probe(bytes).is_some(),
            sealer.open_place(bytes, place().session).is_some(),
        ];
        opened.extend(KINDS.map(|kind| sealer.open_alias(kind, token).is_some()));
        opened
    }

    #[test]
    fn an_alias_is_the_same_text_each_time_and_opens_after_rotation() {
        let [before, after] = [sealer(&[OLD]), sealer(&[NEW, OLD])];
        let token = before.seal_alias(AliasKind::Task, &alias());
        assert_eq!(sealer(&[OLD, NEW]).seal_alias(AliasKind::Task, &alias()), token);
        assert_eq!(after.open_alias(AliasKind::Task, &token), Some(alias()));
        assert_ne!(after.seal_alias(AliasKind::Task, &alias()), token);
        assert_eq!(sealer(&[NEW]).open_alias(AliasKind::Task, &token), None);
        assert_eq!(Sealer::new(KeyRing::empty(), now).seal_alias(AliasKind::Task, &alias()), "");
    }

    #[test]
    fn an_alias_of_a_text_over_the_limit_is_empty() {
        let sealer = sealer(&[OLD]);
        let of = |length: usize| Alias { original: "n".repeat(length).into(), ..alias() };
        let token = sealer.seal_alias(AliasKind::Cursor, &of(MAX_ORIGINAL_BYTES));
        assert_eq!(sealer.open_alias(AliasKind::Cursor, &token), Some(of(MAX_ORIGINAL_BYTES)));
        assert_eq!(sealer.seal_alias(AliasKind::Cursor, &of(MAX_ORIGINAL_BYTES + 1)), "");
        assert_eq!(sealer.open_alias(AliasKind::Cursor, ""), None);
    }

    #[test]
    fn a_place_opens_in_its_session_only() {
        let sealer = sealer(&[OLD]);
        let token = sealer.seal_place(&place());
        assert_eq!(sealer.open_place(token.as_bytes(), place().session), Some(place()));
        assert_eq!(sealer.open_place(token.as_bytes(), SessionId([8; 16])), None);
    }

    #[test]
    fn a_place_keeps_the_newest_that_fit() {
        let sealer = sealer(&[OLD]);
        let kept = |servers: Vec<(Box<str>, Box<str>)>| {
            let token = sealer.seal_place(&Place { servers, ..place() });
            assert!(token.len() <= MAX_TOKEN_BYTES, "{}", token.len());
            sealer.open_place(token.as_bytes(), place().session).unwrap().servers
        };
        let at = |number: usize, length: usize| (format!("a/{number}").into(), "e".repeat(length).into());
        let short: Vec<_> = (0..40).map(|number| at(number, 3)).collect();
        assert_eq!(kept(short.clone()), short[40 - MAX_PLACES..]);
        let long: Vec<_> = (0..MAX_PLACES).map(|number| at(number, MAX_PLACE_BYTES)).collect();
        let fits = kept(long.clone());
        assert!(fits.len() >= 10, "{}", fits.len());
        assert_eq!(fits, long[MAX_PLACES - fits.len()..]);
        assert_eq!(kept(vec![at(1, 1), at(2, MAX_PLACE_BYTES + 1), at(3, 1)]), [at(1, 1), at(3, 1)]);
        assert_eq!(kept(vec![("n".repeat(MAX_TOKEN_BYTES).into(), "e".into())]), []);
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
            let session = Session { id: SessionId(id), capabilities: ClientCapabilities(capabilities), virtual_server, ..session() };
            let token = sealer.seal_session(&session);
            prop_assert!(token.bytes().all(|byte| matches!(byte, 0x21..=0x7E)) && token.len() <= MAX_TOKEN_BYTES);
            prop_assert_eq!(sealer.open_session(token.as_bytes()), Ok(session));
        }

        #[test]
        fn an_alias_opens_as_what_was_sealed(session: [u8; 16], server in "[a-z0-9./-]{0,320}", original in ".{0,256}") {
            let sealer = sealer(&[OLD]);
            let alias = Alias { session: SessionId(session), server: server.into(), original: original.into() };
            for kind in KINDS {
                let token = sealer.seal_alias(kind, &alias);
                prop_assert!(token.bytes().all(|byte| matches!(byte, 0x21..=0x7E)) && token.len() <= MAX_TOKEN_BYTES);
                prop_assert_eq!(&token, &sealer.seal_alias(kind, &alias));
                prop_assert_eq!(sealer.open_alias(kind, &token), Some(alias.clone()));
            }
        }

        #[test]
        fn no_two_aliases_are_alike(one: ([u8; 16], String, String), other: ([u8; 16], String, String)) {
            prop_assume!(one != other);
            let sealer = sealer(&[OLD]);
            let seal = |(session, server, original): ([u8; 16], String, String)| {
                let alias = Alias { session: SessionId(session), server: server.into(), original: original.into() };
                sealer.seal_alias(AliasKind::Request, &alias)
            };
            prop_assert_ne!(seal(one), seal(other));
        }

        #[test]
        fn an_alias_with_any_letter_changed_does_not_open(at: prop::sample::Index, letter in "[ -~]", kind in 0..KINDS.len()) {
            let sealer = sealer(&[OLD]);
            let mut token = sealer.seal_alias(KINDS[kind], &alias());
            let at = at.index(token.len());
            prop_assume!(token.get(at..=at) != Some(&letter));
            token.replace_range(at..=at, &letter);
            prop_assert_eq!(opened_as(&sealer, &token), [false; 10]);
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
            prop_assert_eq!(sealer.open_place(&token, place().session), None);
            let text = String::from_utf8_lossy(&token);
            prop_assert!(KINDS.iter().all(|&kind| sealer.open_alias(kind, &text).is_none()));
        }
    }
}
