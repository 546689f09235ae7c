//! The host's metrics, for Prometheus (`GET /.well-known/mayday/metrics`).
//!
//! Spin has none of its own. They are at an address that no component can have, beside Spin's own `/.well-known/spin/`,
//! and not at an address of their own, so that a host needs one port. They hold numbers and names of components only; a
//! proxy in front does not pass the path on.

use std::{sync::atomic::Ordering, time::Duration};

use http::StatusCode;
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

use crate::body::Unreadable;

/// The media type of what [`Metrics::render`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Histogram>,
    refusals: Family<Refused, Counter>,
    instances: Family<Running, Gauge>,
    waiting: Gauge,
    statements: Family<Statement, Histogram>,
    log_lines_dropped: Counter,
}

/// What a component has answered.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Answered {
    component: String,
    /// The class of the status, such as `2xx`.
    status: &'static str,
}

/// Why the host has answered a request itself, or a connection before its request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    reason: RefusedBecause,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "they are the values of a label")]
pub(crate) enum RefusedBecause {
    /// All connections are taken. The listener counts these.
    no_connection,
    /// Too many requests of all components, or of this one, run, and too many wait or have waited too long.
    no_room,
    /// A chained request that found no room.
    no_room_for_chained,
    /// The body is too large.
    too_large,
    /// The body took too long to arrive.
    too_slow,
    /// The bodies of all requests take too much memory.
    no_memory,
    /// The client went away while its body arrived.
    broken,
}

impl From<&Unreadable> for RefusedBecause {
    fn from(reason: &Unreadable) -> Self {
        match reason {
            Unreadable::TooLarge => Self::too_large,
            Unreadable::TooSlow => Self::too_slow,
            Unreadable::NoMemory => Self::no_memory,
            Unreadable::Broken(_) => Self::broken,
        }
    }
}

/// Instances, by who has sent their requests.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Running {
    /// `outside`, or `chained` for a request of another component.
    from: &'static str,
}

/// Statements on a database.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Statement {
    database: String,
}

/// What is read at the moment of rendering.
pub(crate) struct Now {
    pub(crate) instances: usize,
    pub(crate) chained_instances: usize,
    pub(crate) waiting: usize,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            // From 1 ms to 16 s, and from 50 µs to 1.6 s.
            requests: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 15))),
            refusals: Family::default(),
            instances: Family::default(),
            waiting: Gauge::default(),
            statements: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_05, 2.0, 16))
            }),
            log_lines_dropped: Counter::default(),
        };
        // Present from the start, so that an alarm notices the first.
        for reason in [
            RefusedBecause::no_connection,
            RefusedBecause::no_room,
            RefusedBecause::no_room_for_chained,
            RefusedBecause::too_large,
            RefusedBecause::too_slow,
            RefusedBecause::no_memory,
            RefusedBecause::broken,
        ] {
            drop(metrics.refusals.get_or_create(&Refused { reason }));
        }
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = self.registry.sub_registry_with_prefix("mayday_host");
        registry.register_with_unit(
            "request",
            "From the start of an instance to the head of its answer, by component and class of the status",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register(
            "refusals",
            "Requests that the host has answered itself, and connections without a place, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "instances",
            "Instances that run now, by who has sent their requests",
            self.instances.clone(),
        );
        registry.register(
            "waiting",
            "Requests that wait for room to run",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "sqlite_statement",
            "How long statements took, by database, waiting for locks included",
            Unit::Seconds,
            self.statements.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that could not be written",
            self.log_lines_dropped.clone(),
        );
        self
    }

    /// The histogram of statements on the database with this label.
    pub(crate) fn statements(&self, database: &str) -> Histogram {
        let database = database.to_owned();
        self.statements.get_or_create(&Statement { database }).clone()
    }

    /// Counts an answer of a component.
    pub(crate) fn answered(&self, component: &str, status: StatusCode, took: Duration) {
        let answered = Answered {
            component: component.to_owned(),
            status: match status.as_u16() / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
        };
        let histogram = self.requests.get_or_create(&answered);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, reason: RefusedBecause) {
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    /// Renders all metrics as text.
    pub(crate) fn render(&self, now: &Now) -> String {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (from, running) in [("outside", now.instances), ("chained", now.chained_instances)] {
            self.instances
                .get_or_create(&Running { from })
                .set(number(running));
        }
        self.waiting.set(number(now.waiting));
        // The log and the listener count for the whole process.
        self.log_lines_dropped
            .inner()
            .store(log_writer::dropped_lines(), Ordering::Relaxed);
        let reason = RefusedBecause::no_connection;
        self.refusals
            .get_or_create(&Refused { reason })
            .inner()
            .store(listener::refused_connections(), Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use hyper_util::{rt::TokioExecutor, server::conn::auto};
    use listener::Limits;
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn everything_is_rendered() {
        let metrics = Metrics::new();
        metrics.answered("web", StatusCode::NOT_FOUND, Duration::from_millis(3));
        metrics.refused(RefusedBecause::too_slow);
        metrics.statements("messenger").observe(0.0001);
        let text = metrics.render(&Now {
            instances: 3,
            chained_instances: 1,
            waiting: 2,
        });
        for line in [
            "mayday_host_request_seconds_count{component=\"web\",status=\"4xx\"} 1",
            "mayday_host_request_seconds_bucket{le=\"0.004\",component=\"web\",status=\"4xx\"} 1",
            "mayday_host_refusals_total{reason=\"too_slow\"} 1",
            "mayday_host_refusals_total{reason=\"no_room\"} 0",
            "mayday_host_instances{from=\"outside\"} 3",
            "mayday_host_instances{from=\"chained\"} 1",
            "mayday_host_waiting 2",
            "mayday_host_sqlite_statement_seconds_count{database=\"messenger\"} 1",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line} is missing in\n{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_connection_without_a_place_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let limits = Limits {
            connections: 0,
            exchange: Duration::ZERO,
        };
        let refused = async move {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
        };
        listener::serve(
            listener,
            limits,
            auto::Builder::new(TokioExecutor::new()),
            |_, _, _| pending::<Response<Full<Bytes>>>(),
            refused,
        )
        .await;
        let text = Metrics::new().render(&Now {
            instances: 0,
            chained_instances: 0,
            waiting: 0,
        });
        let name = "mayday_host_refusals_total{reason=\"no_connection\"} ";
        let count = text.lines().find_map(|line| line.strip_prefix(name));
        assert!(count.is_some_and(|count| count != "0"), "{text}");
    }
}
