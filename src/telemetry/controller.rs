//! The metric families of the controller.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::Attempt;

/// Everything that the controller counts.
#[derive(Debug)]
pub struct ControllerMetrics {
    registry: Registry,
    writes: Family<WriteLabel, Counter>,
    lease: Gauge,
    computations: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabel {
    kind: &'static str,
    result: Attempt,
}

impl Default for ControllerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ControllerMetrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("mcp_controller");
        let (writes, lease) = (Family::default(), Gauge::default());
        let computations = Histogram::new(exponential_buckets(0.000_1, 4.0, 10));
        registry.register("writes", "Writes to the cluster, by kind of object", writes.clone());
        registry.register("lease_held", "1 while this instance holds the Lease", lease.clone());
        let help = "Time to compute what is to be written";
        registry.register_with_unit("computation", help, Unit::Seconds, computations.clone());
        Self { registry, writes, lease, computations }
    }

    /// `OpenMetrics` text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(4096);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// An object of `kind` was to be written.
    pub fn write(&self, kind: &'static str, result: Attempt) {
        self.writes.get_or_create(&WriteLabel { kind, result }).inc();
    }

    /// Whether this instance holds the Lease.
    pub fn lease(&self, is_held: bool) {
        self.lease.set(is_held.into());
    }

    /// What is to be written was computed.
    pub fn computed(&self, took: Duration) {
        self.computations.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = ControllerMetrics::new();
        metrics.write("Secret", Attempt::Failed);
        metrics.lease(true);
        metrics.computed(Duration::from_millis(1));
        let text = metrics.render().unwrap();
        for line in [
            r#"mcp_controller_writes_total{kind="Secret",result="Failed"} 1"#,
            "mcp_controller_lease_held 1",
            "mcp_controller_computation_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
