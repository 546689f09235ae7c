//! What the sidecar counts about itself, for Prometheus (`GET /metrics`).

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The media type of what [`Metrics::render`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Gauge,
    pub(crate) ended: Family<Ended, Counter>,
    pub(crate) frames_received: Counter,
    pub(crate) frames_sent: Counter,
    pub(crate) frames_dropped: Family<Dropped, Counter>,
    pub(crate) commands_failed: Counter,
    command_seconds: Histogram,
    batch_commands: Histogram,
    batch_seconds: Histogram,
    pub(crate) publications_sent: Counter,
    pub(crate) publications_heard: Counter,
    pub(crate) news_heard: Counter,
}

/// How a connection ended: who began it, or the close code.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Ended {
    pub(crate) how: &'static str,
}

/// Why a frame was not shown.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Dropped {
    pub(crate) reason: Reason,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "they are the values of a label")]
pub(crate) enum Reason {
    /// The client does not read.
    slow_client,
    /// Redis does not take publications fast enough, or was away for too long.
    publication_withheld,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        // From 1 ms to 16 s, and from 1 to 512 commands.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let metrics = Metrics {
            registry: Registry::default(),
            connections: Gauge::default(),
            ended: Family::default(),
            frames_received: Counter::default(),
            frames_sent: Counter::default(),
            frames_dropped: Family::default(),
            commands_failed: Counter::default(),
            command_seconds: seconds(),
            batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            batch_seconds: seconds(),
            publications_sent: Counter::default(),
            publications_heard: Counter::default(),
            news_heard: Counter::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Metrics {
        let registry = self.registry.sub_registry_with_prefix("mayday_sidecar");
        registry.register("connections", "Open WebSockets", self.connections.clone());
        registry.register(
            "connections_ended",
            "WebSockets that have ended, by close code or by who let go",
            self.ended.clone(),
        );
        registry.register(
            "frames_received",
            "Frames of clients, pings not counted",
            self.frames_received.clone(),
        );
        registry.register(
            "frames_sent",
            "Frames written to clients, pings not counted",
            self.frames_sent.clone(),
        );
        registry.register(
            "frames_dropped",
            "Frames that were not shown, by reason",
            self.frames_dropped.clone(),
        );
        registry.register(
            "commands_failed",
            "Commands answered with an error because the messenger could not be asked",
            self.commands_failed.clone(),
        );
        registry.register_with_unit(
            "command",
            "From a frame that was read to its outcome",
            Unit::Seconds,
            self.command_seconds.clone(),
        );
        registry.register(
            "batch_commands",
            "Commands in a batch that the messenger has answered",
            self.batch_commands.clone(),
        );
        registry.register_with_unit(
            "batch",
            "How long the messenger took for a batch, tries included",
            Unit::Seconds,
            self.batch_seconds.clone(),
        );
        registry.register(
            "publications_sent",
            "Messages published to other sidecars",
            self.publications_sent.clone(),
        );
        registry.register(
            "publications_heard",
            "Messages of other sidecars",
            self.publications_heard.clone(),
        );
        registry.register(
            "news_heard",
            "Answers of the messenger about what happens without a sidecar having asked",
            self.news_heard.clone(),
        );
        self
    }

    /// A batch has been answered.
    pub(crate) fn batch_answered(&self, commands: usize, took: Duration) {
        self.batch_commands
            .observe(u32::try_from(commands).map_or(f64::MAX, f64::from));
        self.batch_seconds.observe(took.as_secs_f64());
    }

    /// A command has its outcome.
    pub(crate) fn command_answered(&self, took: Duration) {
        self.command_seconds.observe(took.as_secs_f64());
    }

    /// How many frames were dropped for a reason.
    pub(crate) fn dropped(&self, reason: Reason) -> Counter {
        self.frames_dropped.get_or_create(&Dropped { reason }).clone()
    }

    /// How many connections have ended so.
    pub(crate) fn ended(&self, how: &'static str) {
        self.ended.get_or_create(&Ended { how }).inc();
    }

    /// All of it as text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.connections.set(3);
        metrics.dropped(Reason::slow_client).inc_by(2);
        metrics.ended("bad_token");
        metrics.batch_answered(100, Duration::from_millis(5));
        metrics.command_answered(Duration::from_millis(7));
        let text = metrics.render();
        for line in [
            "mayday_sidecar_connections 3",
            "mayday_sidecar_frames_dropped_total{reason=\"slow_client\"} 2",
            "mayday_sidecar_connections_ended_total{how=\"bad_token\"} 1",
            "mayday_sidecar_batch_commands_bucket{le=\"128.0\"} 1",
            "mayday_sidecar_batch_commands_bucket{le=\"64.0\"} 0",
            "mayday_sidecar_batch_seconds_count 1",
            "mayday_sidecar_command_seconds_bucket{le=\"0.008\"} 1",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
