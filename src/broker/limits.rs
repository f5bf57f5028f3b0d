//! Limits of the broker, each with its unit. What a server or a client sends beyond them is refused.

use std::time::Duration;

use crate::routing::Primitive;

/// Tools of one server.
pub(super) const MAX_TOOLS: usize = 5_000;
/// Prompts of one server.
pub(super) const MAX_PROMPTS: usize = 5_000;
/// Resources that one server lists.
pub(super) const MAX_RESOURCES: usize = 10_000;
/// Resource templates of one server: a URI is compared with each.
pub(super) const MAX_TEMPLATES: usize = 1_000;
/// Bytes of one item's JSON.
pub(super) const MAX_ITEM_BYTES: usize = 256 << 10;
/// Bytes of the exposed name of a tool or a prompt: the longest that MCP recommends (2025-11-25, tools, tool names).
pub(super) const MAX_NAME_BYTES: usize = 128;
/// Bytes of a resource's URI or URI template, as the server writes it.
pub(super) const MAX_URI_BYTES: usize = 2 << 10;
/// Pages of one list of a server.
pub(super) const MAX_PAGES: usize = 1_000;
/// Bytes of one list of a server, all its pages together.
pub(super) const MAX_LIST_BYTES: usize = 16 << 20;
/// Bytes of one server's `instructions`; the rest is cut off.
pub(super) const MAX_INSTRUCTIONS: usize = 4 << 10;
/// Bytes of the gateway's own `instructions`, in which those of its servers are.
pub(super) const MAX_ALL_INSTRUCTIONS: usize = 32 << 10;
/// Bytes read of an answer that says that something went wrong.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;
/// Bytes of one event of a server's event stream.
pub(super) const MAX_EVENT_BYTES: usize = 1 << 20;
/// Event streams of clients, at once.
pub(super) const MAX_STREAMS: usize = 10_000;
/// Of these, streams of one session that go on with an answer, at once.
pub(super) const MAX_RELAYS: usize = 16;
/// Server sessions that one stream of a client carries messages of, at once.
pub(super) const MAX_FOLLOWERS: usize = 64;
/// The same of all streams together: each holds a connection to Envoy.
pub(super) const MAX_FOLLOWING: usize = 20_000;
/// Messages of servers, each of [`MAX_EVENT_BYTES`] at most, that wait for one client to read on.
pub(super) const FEED: usize = 16;
/// Requests to servers that no client waits for, at once.
pub(super) const MAX_ERRANDS: usize = 256;
/// Servers that are asked at once for one client.
pub(super) const FAN_OUT: usize = 16;
/// Servers that are connected to or asked for their lists, at once: each needs memory until it has answered.
pub(super) const AT_ONCE: usize = 64;

/// How long a server counts among those that are asked at once; a slower one is one more.
pub(super) const TURN: Duration = Duration::from_millis(250);
/// For all pages of one list of a server.
pub(super) const LIST_DEADLINE: Duration = Duration::from_mins(2);
/// To end the broker's session at a server.
pub(super) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// For the servers of a session to answer what goes to each of them.
pub(super) const FAN_OUT_DEADLINE: Duration = Duration::from_secs(5);
/// For a client to send a body.
pub(super) const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Between comments on a quiet event stream to a client.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Between looks at which server sessions a stream carries messages of, where nothing else gives a reason to look.
pub(super) const REALIGN: Duration = Duration::from_secs(25);

/// How often things are done. The default is for real servers; tests are in more of a hurry.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between lists of a server that announces no change, where the configuration does not say it.
    pub relist: Duration,
    /// From a change that a server announces to the list that takes it in, along with all that come meanwhile.
    pub pause: Duration,
    /// From a server's first news to the snapshot that takes it in, along with all that comes meanwhile.
    pub settle: Duration,
    /// The first wait after a failure; each further one doubles it.
    pub first_backoff: Duration,
    /// The longest wait after a failure.
    pub longest_backoff: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            relist: Duration::from_mins(1),
            pause: Duration::from_millis(200),
            settle: Duration::from_millis(100),
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_mins(1),
        }
    }
}

impl Pace {
    /// How long to wait after the `failures`th failure in a row (from 1): half of it is chance, so that many do not
    /// come back at once.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let doubled = self.first_backoff.saturating_mul(1 << failures.saturating_sub(1).min(16));
        jittered(doubled.min(self.longest_backoff))
    }
}

/// How many items of that kind a server may list.
pub(super) const fn max_items(primitive: Primitive) -> usize {
    match primitive {
        Primitive::Tool => MAX_TOOLS,
        Primitive::Prompt => MAX_PROMPTS,
        Primitive::Resource => MAX_RESOURCES,
        Primitive::ResourceTemplate => MAX_TEMPLATES,
    }
}

/// `most`, or up to half of it less.
pub(super) fn jittered(most: Duration) -> Duration {
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_the_longest_and_is_never_less_than_half() {
        let pace = Pace::default();
        for (failures, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)] {
            let most = Duration::from_secs(most);
            for _ in 0..100 {
                let wait = pace.backoff(failures);
                assert!(wait <= most && wait >= most / 2, "{failures}: {wait:?}");
            }
        }
    }
}
