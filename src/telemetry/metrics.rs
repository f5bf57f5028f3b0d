//! The metric families, and the few ways to count.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Everything that is counted; shown at `/metrics` (`OpenMetrics` text).
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    exchanges: Family<OutcomeLabel, Counter>,
    refusals: Family<ReasonLabel, Counter>,
    answers: Family<PhaseLabel, Histogram, fn() -> Histogram>,
    streams_open: Gauge,
    /// Of `exchanges` and `answers`, by number: what each exchange counts is not looked up.
    by_outcome: [Counter; Outcome::ALL.len()],
    by_phase: [Histogram; Phase::ALL.len()],
    sessions: Family<AttemptLabel, Counter>,
    replays: Family<AttemptLabel, Counter>,
    store_errors: Counter,
    reloads: Family<AttemptLabel, Counter>,
    discoveries: Family<DiscoveryLabel, Counter>,
    list_bytes: Counter,
}

/// What came of one HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Sent to a server.
    Server,
    /// Sent to the broker.
    Broker,
    /// Of another application: untouched.
    Untouched,
    /// Answered with a refusal.
    Refused,
    /// Made again in another server session.
    Replayed,
    /// Ended with a gRPC error.
    Failed,
    /// Envoy closed the stream before an answer.
    Abandoned,
}

/// The message that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Phase {
    RequestHeaders,
    RequestBody,
    ResponseHeaders,
    ResponseBody,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Attempt {
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabel {
    result: Attempt,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DiscoveryLabel {
    server: String,
    result: Attempt,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Server,
        Self::Broker,
        Self::Untouched,
        Self::Refused,
        Self::Replayed,
        Self::Failed,
        Self::Abandoned,
    ];
}

impl Phase {
    const ALL: [Self; 4] =
        [Self::RequestHeaders, Self::RequestBody, Self::ResponseHeaders, Self::ResponseBody];
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let exchanges = Family::<OutcomeLabel, Counter>::default();
        let answers = Family::<PhaseLabel, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        let mut metrics = Self {
            registry: Registry::with_prefix("mcp_gateway"),
            by_outcome: Outcome::ALL
                .map(|outcome| exchanges.get_or_create(&OutcomeLabel { outcome }).clone()),
            by_phase: Phase::ALL.map(|phase| answers.get_or_create(&PhaseLabel { phase }).clone()),
            exchanges,
            refusals: Family::default(),
            answers,
            streams_open: Gauge::default(),
            sessions: Family::default(),
            replays: Family::default(),
            store_errors: Counter::default(),
            reloads: Family::default(),
            discoveries: Family::default(),
            list_bytes: Counter::default(),
        };
        metrics.register();
        metrics.begin();
        metrics
    }

    /// Shows zeros before the first event, so that a rate can be told from the first one on.
    fn begin(&self) {
        for result in [Attempt::Succeeded, Attempt::Failed] {
            for family in [&self.sessions, &self.replays, &self.reloads] {
                drop(family.get_or_create(&AttemptLabel { result }));
            }
        }
    }

    fn register(&mut self) {
        let (exchanges, refusals, answers) =
            (self.exchanges.clone(), self.refusals.clone(), self.answers.clone());
        let registry = &mut self.registry;
        registry.register("exchanges", "HTTP exchanges, by what came of them", exchanges);
        registry.register("refusals", "Requests that the router refused, by reason", refusals);
        let help = "Time to answer a message of Envoy, by its kind";
        registry.register_with_unit("answer", help, Unit::Seconds, answers);
        let help = "External processing streams that are open";
        registry.register("streams_open", help, self.streams_open.clone());
        registry.register("server_sessions", "Sessions opened at servers", self.sessions.clone());
        let help = "Calls made again because the server had lost its session";
        registry.register("replays", help, self.replays.clone());
        let help = "Requests that the session store did not answer";
        registry.register("session_store_errors", help, self.store_errors.clone());
        registry.register("config_reloads", "Changed configurations read", self.reloads.clone());
        registry.register("discoveries", "Lists fetched from a server", self.discoveries.clone());
        let help = "Size of the lists sent to clients";
        registry.register_with_unit("list", help, Unit::Bytes, self.list_bytes.clone());
    }

    /// `OpenMetrics` text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// An external processing stream has begun.
    pub fn stream_opened(&self) {
        self.streams_open.inc();
    }

    /// It has ended.
    pub fn stream_closed(&self, outcome: Outcome) {
        self.streams_open.dec();
        if let Some(count) = self.by_outcome.get(outcome as usize) {
            count.inc();
        }
    }

    /// `reason`: the short name of the refusal.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A message of Envoy has been answered.
    pub fn answered(&self, phase: Phase, took: Duration) {
        if let Some(times) = self.by_phase.get(phase as usize) {
            times.observe(took.as_secs_f64());
        }
    }

    /// A session was to be opened at a server.
    pub fn session(&self, result: Attempt) {
        self.sessions.get_or_create(&AttemptLabel { result }).inc();
    }

    /// A call was to be made again in another server session.
    pub fn replay(&self, result: Attempt) {
        self.replays.get_or_create(&AttemptLabel { result }).inc();
    }

    /// The session store did not answer.
    pub fn store_error(&self) {
        self.store_errors.inc();
    }

    /// A changed configuration was read.
    pub fn reload(&self, result: Attempt) {
        self.reloads.get_or_create(&AttemptLabel { result }).inc();
    }

    /// The lists of a configured server were fetched.
    pub fn discovery(&self, server: &str, result: Attempt) {
        self.discoveries.get_or_create(&DiscoveryLabel { server: server.to_owned(), result }).inc();
    }

    /// A server is not configured any more.
    pub fn forget_server(&self, server: &str) {
        for result in [Attempt::Succeeded, Attempt::Failed] {
            self.discoveries.remove(&DiscoveryLabel { server: server.to_owned(), result });
        }
    }

    /// A list of this size, in bytes, was sent to a client.
    pub fn list(&self, bytes: usize) {
        self.list_bytes.inc_by(bytes as u64);
    }
}

/// 50 microseconds to 13 seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 4.0, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.stream_opened();
        metrics.stream_closed(Outcome::Server);
        metrics.refused("unknown_tool");
        metrics.answered(Phase::RequestBody, Duration::from_millis(1));
        metrics.session(Attempt::Succeeded);
        metrics.reload(Attempt::Failed);
        metrics.discovery("mcp-test/github", Attempt::Failed);
        metrics.list(10);
        let text = metrics.render().unwrap();
        for line in [
            r#"mcp_gateway_exchanges_total{outcome="Server"} 1"#,
            r#"mcp_gateway_refusals_total{reason="unknown_tool"} 1"#,
            r#"mcp_gateway_answer_seconds_count{phase="RequestBody"} 1"#,
            "mcp_gateway_streams_open 0",
            r#"mcp_gateway_server_sessions_total{result="Succeeded"} 1"#,
            r#"mcp_gateway_config_reloads_total{result="Failed"} 1"#,
            r#"mcp_gateway_discoveries_total{server="mcp-test/github",result="Failed"} 1"#,
            "mcp_gateway_list_bytes_total 10",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        metrics.forget_server("mcp-test/github");
        assert!(!metrics.render().unwrap().contains("mcp-test/github"));
    }
}
