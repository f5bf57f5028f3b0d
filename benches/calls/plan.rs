//! What is measured: the cells, and the variants of each.

use std::fmt;

use serde_json::json;

use crate::call::Tool;

/// What a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// From wrk to nginx.
    Direct,
    /// Envoy without a processor.
    Envoy,
    /// A processor that answers each message and does nothing.
    NoOp,
    /// The same from a task and a channel for each stream.
    NoOpTask,
    /// The same; the body goes back as a mutation.
    NoOpEcho,
    /// The same; Envoy sends no message for request headers, but some of them as attributes of the body.
    NoOpAttributes,
    /// The same; the connection bears it when many streams are reset at once.
    NoOpCalm,
    /// The gateway, to a server without a prefix: the body is left as it is.
    Gateway,
    /// The gateway, to a server with a prefix: the name in the body is another.
    GatewayPrefix,
    /// The same for a client that may be asked: the gateway reads event streams.
    GatewayReads,
}

impl Variant {
    /// What the tool's name begins with.
    pub(crate) fn prefix(self) -> &'static str {
        if matches!(self, Self::GatewayPrefix | Self::GatewayReads) { "p_" } else { "" }
    }

    /// What the client announces with `initialize`.
    pub(crate) fn capabilities(self) -> serde_json::Value {
        if self == Self::GatewayReads {
            json!({"elicitation": {}, "sampling": {}, "roots": {}})
        } else {
            json!({})
        }
    }

    /// How the no-op is started.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::NoOpTask => &["--task"],
            Self::NoOpEcho => &["--echo-body"],
            Self::NoOpCalm => &["--max-resets", "100000"],
            Self::Direct
            | Self::Envoy
            | Self::NoOp
            | Self::NoOpAttributes
            | Self::Gateway
            | Self::GatewayPrefix
            | Self::GatewayReads => &[],
        }
    }

    pub(crate) fn is_gateway(self) -> bool {
        matches!(self, Self::Gateway | Self::GatewayPrefix | Self::GatewayReads)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "nginx",
            Self::Envoy => "Envoy",
            Self::NoOp => "no-op",
            Self::NoOpTask => "no-op, task and channel",
            Self::NoOpEcho => "no-op, body sent back",
            Self::NoOpAttributes => "no-op, headers as attributes",
            Self::NoOpCalm => "no-op, bears resets",
            Self::Gateway => "gateway",
            Self::GatewayPrefix => "gateway, prefix",
            Self::GatewayReads => "gateway, prefix, reads streams",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Unix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BodyMode {
    Buffered,
    FullDuplex,
}

/// How Envoy, processor and servers are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setup {
    pub(crate) transport: Transport,
    pub(crate) body_mode: BodyMode,
    /// Registered servers beside the two that are called.
    pub(crate) others: usize,
}

/// The same load on some variants.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    pub(crate) tool: Tool,
    /// Bytes of the body of each call.
    pub(crate) body: usize,
    pub(crate) connections: u32,
    pub(crate) variants: &'static [Variant],
}

pub(crate) const BASE: Setup = Setup { transport: Transport::Tcp, body_mode: BodyMode::Buffered, others: 0 };
const UNIX: Setup = Setup { transport: Transport::Unix, ..BASE };
const DUPLEX: Setup = Setup { body_mode: BodyMode::FullDuplex, ..BASE };
const UNIX_DUPLEX: Setup = Setup { transport: Transport::Unix, ..DUPLEX };
const THOUSAND: Setup = Setup { others: 1000, ..BASE };

const KIB: usize = 1 << 10;
/// The smallest call.
const SMALL: usize = 109;

/// All cells, in the order of the page: bodies of each size, then one dimension after the other from the smallest.
pub(crate) fn cells() -> Vec<Cell> {
    use Variant::{
        Direct, Envoy, Gateway, GatewayPrefix, GatewayReads, NoOp, NoOpAttributes, NoOpEcho, NoOpTask,
    };
    const ALL: &[Variant] = &[Direct, Envoy, NoOp, NoOpEcho, Gateway, GatewayPrefix];
    const EVERY_NO_OP: &[Variant] =
        &[Direct, Envoy, NoOp, NoOpTask, NoOpEcho, NoOpAttributes, Gateway, GatewayPrefix];
    const PROCESSORS: &[Variant] = &[NoOp, NoOpEcho, Gateway, GatewayPrefix];
    // full duplex, the no-op sends every body back
    const PROCESSORS_DUPLEX: &[Variant] = &[NoOp, Gateway, GatewayPrefix];
    const JSON: &[Variant] = &[Envoy, NoOp, Gateway, GatewayPrefix];
    const STREAMS: &[Variant] = &[Envoy, NoOp, Gateway, GatewayPrefix, GatewayReads];
    let base = Cell {
        name: "109 B",
        setup: BASE,
        tool: Tool::Json1K,
        body: SMALL,
        connections: 32,
        variants: EVERY_NO_OP,
    };
    vec![
        base.clone(),
        Cell { name: "4 KiB", body: 4 * KIB, variants: ALL, ..base },
        Cell { name: "64 KiB", body: 64 * KIB, variants: ALL, ..base },
        Cell { name: "256 KiB", body: 256 * KIB, variants: ALL, ..base },
        Cell { name: "1 connection", connections: 1, variants: ALL, ..base },
        Cell { name: "256 connections", connections: 256, variants: ALL, ..base },
        Cell { name: "JSON of 1 MiB", tool: Tool::Json1M, variants: JSON, ..base },
        Cell { name: "event stream of 1 KiB", tool: Tool::Sse1K, variants: STREAMS, ..base },
        Cell { name: "event stream of 1 MiB", tool: Tool::Sse1M, variants: STREAMS, ..base },
        Cell { name: "Unix socket", setup: UNIX, variants: PROCESSORS, ..base },
        Cell { name: "Unix socket, 64 KiB", setup: UNIX, body: 64 * KIB, variants: PROCESSORS, ..base },
        Cell { name: "full duplex", setup: DUPLEX, variants: PROCESSORS_DUPLEX, ..base },
        Cell {
            name: "full duplex, 64 KiB",
            setup: DUPLEX,
            body: 64 * KIB,
            variants: PROCESSORS_DUPLEX,
            ..base
        },
        Cell {
            name: "full duplex, 256 KiB",
            setup: DUPLEX,
            body: 256 * KIB,
            variants: PROCESSORS_DUPLEX,
            ..base
        },
        Cell { name: "Unix socket, full duplex", setup: UNIX_DUPLEX, variants: PROCESSORS_DUPLEX, ..base },
        Cell { name: "1,000 more servers", setup: THOUSAND, variants: PROCESSORS, ..base },
    ]
}
