//! What the pure core is measured with: each scenario by its name, prepared once and run again and again.

#![allow(clippy::expect_used, reason = "a benchmark ends at what it cannot do")]

mod call;
mod gateway;
mod message;

use std::{fmt, hint::black_box};

use mcp_gateway::{
    exchange::{Alias, AliasKind, Form, Origin, Rewriter, SessionId, Tokens},
    mcp::{self, ClientCapabilities, splice},
    routing::{Request, decide},
};

use self::{call::Call, gateway::Gateway};

/// Something that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Of the body that it is about, where it takes time in its length.
    pub(crate) bytes: Option<usize>,
    prepare: fn(usize) -> Run,
}

/// A scenario made ready.
pub(crate) type Run = Box<dyn FnMut()>;

impl Scenario {
    pub(crate) fn prepare(&self) -> Run {
        (self.prepare)(self.bytes.unwrap_or_default())
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const KIB: usize = 1 << 10;

/// Everything that is measured.
pub(crate) const SCENARIOS: &[Scenario] = &[
    // a call in a session, from its head to the head of its answer; who looks the session up is not in it
    Scenario { name: "call 109 B", bytes: Some(109), prepare: |bytes| call(message::call(bytes), 1) },
    Scenario { name: "call 300 B", bytes: Some(300), prepare: |bytes| call(message::call(bytes), 1) },
    Scenario { name: "call 4 KiB", bytes: Some(4 * KIB), prepare: |bytes| call(message::call(bytes), 1) },
    Scenario { name: "call 64 KiB", bytes: Some(64 * KIB), prepare: |bytes| call(message::call(bytes), 1) },
    Scenario { name: "call 256 KiB", bytes: Some(256 * KIB), prepare: |bytes| call(message::call(bytes), 1) },
    Scenario {
        name: "call 4 KiB of small members",
        bytes: Some(4 * KIB),
        prepare: |bytes| call(message::members(bytes), 1),
    },
    Scenario {
        name: "call 300 B, 1000 servers",
        bytes: Some(300),
        prepare: |bytes| call(message::call(bytes), 1000),
    },
    Scenario { name: "call 300 B, sealed session", bytes: Some(300), prepare: sealed_call },
    // its parts
    Scenario { name: "scan 300 B", bytes: Some(300), prepare: |bytes| scan(message::call(bytes)) },
    Scenario { name: "scan 256 KiB", bytes: Some(256 * KIB), prepare: |bytes| scan(message::call(bytes)) },
    Scenario {
        name: "scan 256 KiB, not ASCII",
        bytes: Some(256 * KIB),
        prepare: |bytes| scan(message::not_ascii(bytes)),
    },
    Scenario {
        name: "scan 64 KiB of small members",
        bytes: Some(64 * KIB),
        prepare: |bytes| scan(message::members(bytes)),
    },
    Scenario { name: "decide, 1 server", bytes: None, prepare: |_| decision(1) },
    Scenario { name: "decide, 1000 servers", bytes: None, prepare: |_| decision(1000) },
    Scenario { name: "splice 300 B", bytes: Some(300), prepare: spliced },
    Scenario { name: "splice 256 KiB", bytes: Some(256 * KIB), prepare: spliced },
    // sealed tokens
    Scenario { name: "open a session", bytes: None, prepare: |_| opened_session() },
    Scenario { name: "seal an alias", bytes: None, prepare: |_| sealed_alias() },
    Scenario { name: "open an alias", bytes: None, prepare: |_| opened_alias() },
    // an event stream on its way to a client that can be asked
    Scenario { name: "rewrite an answer of 1 KiB", bytes: Some(KIB), prepare: rewritten },
];

fn call(body: Vec<u8>, servers: usize) -> Run {
    let mut call = Call::new(Gateway::new(servers), body);
    Box::new(move || call.run(&gateway::Opened))
}

fn sealed_call(bytes: usize) -> Run {
    let sealer = gateway::sealer();
    let mut call = Call::new(Gateway::new(1), message::call(bytes));
    call.session(sealer.seal_session(&gateway::session()));
    Box::new(move || call.run(&sealer))
}

fn scan(body: Vec<u8>) -> Run {
    Box::new(move || _ = black_box(mcp::scan(black_box(&body)).expect("a message")))
}

fn decision(servers: usize) -> Run {
    let (snapshot, body) = (Gateway::new(servers).snapshot, message::call(300));
    let body: &'static [u8] = Vec::leak(body);
    let message = mcp::scan(body).expect("a message");
    Box::new(move || {
        let request = Request { body, message: &message, virtual_servers: &[], has_session: true };
        _ = black_box(decide(&snapshot, black_box(&request)));
    })
}

fn spliced(bytes: usize) -> Run {
    let body: &'static [u8] = Vec::leak(message::call(bytes));
    let name = mcp::scan(body).expect("a message").params.name.expect("a name");
    Box::new(move || _ = black_box(splice::without_prefix(black_box(body), &name, gateway::PREFIX)))
}

fn opened_session() -> Run {
    let sealer = gateway::sealer();
    let token = sealer.seal_session(&gateway::session());
    Box::new(move || _ = black_box(sealer.open_session(black_box(token.as_bytes())).expect("a session")))
}

fn alias() -> Alias {
    Alias { session: SessionId([7; 16]), server: gateway::name(0).into(), original: "17".into() }
}

fn sealed_alias() -> Run {
    let (sealer, alias) = (gateway::sealer(), alias());
    Box::new(move || _ = black_box(sealer.seal_alias(AliasKind::Request, black_box(&alias))))
}

fn opened_alias() -> Run {
    let sealer = gateway::sealer();
    let token = sealer.seal_alias(AliasKind::Request, &alias());
    Box::new(move || {
        _ = black_box(sealer.open_alias(AliasKind::Request, black_box(&token)).expect("an alias"));
    })
}

fn rewritten(bytes: usize) -> Run {
    let Gateway { snapshot, server } = Gateway::new(1);
    let origin = Origin {
        snapshot,
        server,
        session: SessionId([7; 16]),
        client: ClientCapabilities(ClientCapabilities::ELICITATION_FORM),
        rewrites_uris: false,
        rewrites_tasks: false,
    };
    let (sealer, answer) = (gateway::sealer(), message::event(bytes));
    Box::new(move || {
        let mut rewriter = Rewriter::new(origin.clone(), Form::EventStream);
        _ = black_box(rewriter.piece(black_box(&answer), true, &sealer));
    })
}
