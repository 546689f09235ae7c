//! The sidecar's metrics, for Prometheus (`GET /metrics`).

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use sidecar_api::{Cursor, Protocol, Status, Undelivered};

use crate::canary::metrics::LatestRun;
use crate::connection::frames::CloseReason;

/// The media type of what [`Metrics::render`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the names of metrics begin with.
pub(crate) const PREFIX: &str = "mayday_sidecar";

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Gauge,
    connections_refused: Family<ConnectionRefused, Counter>,
    pub(crate) ended: Family<Ended, Counter>,
    pub(crate) frames_received: Counter,
    pub(crate) frames_sent: Counter,
    pub(crate) frames_dropped: FramesDropped,
    sockets: Family<Speaks, Gauge>,
    reauthentications: Family<Reauthenticated, Counter>,
    send_queue_bytes: Gauge,
    frames_refused: Family<FrameRefused, Counter>,
    commands_refused: Family<Refused, Counter>,
    command_seconds: Histogram,
    exchange_commands: Histogram,
    exchange_seconds: Histogram,
    exchange_age_seconds: Gauge,
    /// When the last exchange was answered, or the sidecar started.
    exchanged: Mutex<Instant>,
    updates_behind: Gauge,
    /// 1 while this sidecar gives the tick.
    pub(crate) tick_lease: Gauge,
    pub(crate) publications_sent: Counter,
    pub(crate) publications_received: Counter,
    pub(crate) publications_dropped: Counter,
    log_lines_dropped: Counter,
    messenger_database_bytes: KnownGauge,
    messenger_wal_bytes: KnownGauge,
    messenger_log_rows: Gauge,
    messenger_waiting: Gauge,
    messenger_oldest_wait_seconds: Gauge,
    messenger_active_chats: Gauge,
    messenger_lock_releases: Gauge,
    messenger_oldest_lock_release_seconds: Gauge,
    messenger_tick_age_seconds: Gauge,
    participant_undelivered_presses: Gauge,
    participant_oldest_undelivered_press_seconds: Gauge,
    participant_undelivered_changes: Gauge,
    participant_oldest_undelivered_change_seconds: Gauge,
    canary: LatestRun,
}

/// A gauge that is left out while its value is not known.
#[derive(Clone, Debug, Default)]
struct KnownGauge(Arc<Mutex<Option<i64>>>);

impl KnownGauge {
    fn get(&self) -> Option<i64> {
        *self.0.lock().expect("no panic while locked")
    }

    fn set(&self, value: Option<i64>) {
        *self.0.lock().expect("no panic while locked") = value;
    }
}

impl EncodeMetric for KnownGauge {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.get().map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.get().is_none()
    }
}

/// The protocol that a connection speaks.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Speaks {
    protocol: &'static str,
}

/// Counts an authenticated connection until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket(Gauge);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The outcome of a re-authentication: why the connection ended, or that it goes on.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reauthenticated {
    outcome: &'static str,
}

/// The outcome of a re-authentication after which a connection goes on.
pub(crate) const CONFIRMED: &str = "confirmed";

/// Why a client got no WebSocket.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ConnectionRefused {
    reason: ConnectionRefusedBecause,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "they are the values of a label")]
pub(crate) enum ConnectionRefusedBecause {
    /// All connections are taken, whatever was to be asked. The listener counts these.
    no_connection,
    /// All WebSockets are taken.
    no_socket,
    /// The client is a page of an origin that is not allowed.
    other_origin,
}

/// How a connection ended: which side ended it, or the close code.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct Ended {
    pub(crate) how: &'static str,
}

/// The code of the error with which a frame was answered.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FrameRefused {
    code: &'static str,
}

/// Why a command was answered with an error instead of being carried out.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    reason: RefusedBecause,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "they are the values of a label")]
pub(crate) enum RefusedBecause {
    /// The messenger did not answer in time.
    messenger_unavailable,
    /// The messenger answers, but the oldest command has waited too long.
    overloaded,
    /// Too many commands wait.
    queue_full,
}

/// Counts frames that were dropped instead of being written to their client, by reason.
#[derive(Clone, Debug)]
pub(crate) struct FramesDropped(Family<Dropped, Counter>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Dropped {
    reason: DroppedBecause,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "they are the values of a label")]
pub(crate) enum DroppedBecause {
    /// The client has read nothing for seconds, and its queue is full.
    reads_nothing,
    /// The client reads, but more slowly than frames come, and its queue is full.
    queue_full,
    /// The queues of all connections together are full.
    all_queues_full,
    /// The connection ended before its queue was empty.
    connection_ended,
}

impl Default for FramesDropped {
    /// Every reason is present from the start, so that an alarm notices the first frame.
    fn default() -> FramesDropped {
        let counters = FramesDropped(Family::default());
        for reason in [
            DroppedBecause::reads_nothing,
            DroppedBecause::queue_full,
            DroppedBecause::all_queues_full,
            DroppedBecause::connection_ended,
        ] {
            counters.add(reason, 0);
        }
        counters
    }
}

impl FramesDropped {
    pub(crate) fn add(&self, reason: DroppedBecause, frames: usize) {
        self.0.get_or_create(&Dropped { reason }).inc_by(frames as u64);
    }

    #[cfg(test)]
    pub(crate) fn count(&self, reason: DroppedBecause) -> u64 {
        self.0.get_or_create(&Dropped { reason }).get()
    }
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        // From 1 ms to 16 s, and from 1 to 512 commands.
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let metrics = Metrics {
            registry: Registry::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            ended: Family::default(),
            frames_received: Counter::default(),
            frames_sent: Counter::default(),
            frames_dropped: FramesDropped::default(),
            sockets: Family::default(),
            reauthentications: Family::default(),
            send_queue_bytes: Gauge::default(),
            frames_refused: Family::default(),
            commands_refused: Family::default(),
            command_seconds: seconds(),
            exchange_commands: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            exchange_seconds: seconds(),
            exchange_age_seconds: Gauge::default(),
            exchanged: Mutex::new(Instant::now()),
            updates_behind: Gauge::default(),
            tick_lease: Gauge::default(),
            publications_sent: Counter::default(),
            publications_received: Counter::default(),
            publications_dropped: Counter::default(),
            log_lines_dropped: Counter::default(),
            messenger_database_bytes: KnownGauge::default(),
            messenger_wal_bytes: KnownGauge::default(),
            messenger_log_rows: Gauge::default(),
            messenger_waiting: Gauge::default(),
            messenger_oldest_wait_seconds: Gauge::default(),
            messenger_active_chats: Gauge::default(),
            messenger_lock_releases: Gauge::default(),
            messenger_oldest_lock_release_seconds: Gauge::default(),
            messenger_tick_age_seconds: Gauge::default(),
            participant_undelivered_presses: Gauge::default(),
            participant_oldest_undelivered_press_seconds: Gauge::default(),
            participant_undelivered_changes: Gauge::default(),
            participant_oldest_undelivered_change_seconds: Gauge::default(),
            canary: LatestRun::default(),
        };
        // Present from the start, so that an alarm notices the first.
        for protocol in [Protocol::Contract, Protocol::Two] {
            drop(metrics.socket_opened(protocol));
        }
        for reason in [
            ConnectionRefusedBecause::no_connection,
            ConnectionRefusedBecause::no_socket,
            ConnectionRefusedBecause::other_origin,
        ] {
            let refused = &metrics.connections_refused;
            drop(refused.get_or_create(&ConnectionRefused { reason }));
        }
        for reason in [
            RefusedBecause::messenger_unavailable,
            RefusedBecause::overloaded,
            RefusedBecause::queue_full,
        ] {
            drop(metrics.commands_refused.get_or_create(&Refused { reason }));
        }
        for outcome in [
            CONFIRMED,
            CloseReason::SignedOut.name(),
            CloseReason::Changed.name(),
        ] {
            let outcomes = &metrics.reauthentications;
            drop(outcomes.get_or_create(&Reauthenticated { outcome }));
        }
        metrics.registered()
    }

    fn registered(mut self) -> Metrics {
        let registry = self.registry.sub_registry_with_prefix(PREFIX);
        registry.register("connections", "Open WebSockets", self.connections.clone());
        registry.register(
            "connections_refused",
            "Clients that got no WebSocket, by reason; no_connection counts other requests as well",
            self.connections_refused.clone(),
        );
        registry.register(
            "connections_ended",
            "WebSockets that have ended, by close code or by the side that ended them",
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
            "Frames for clients that were dropped, by reason",
            self.frames_dropped.0.clone(),
        );
        registry.register(
            "sockets",
            "Authenticated WebSockets, by protocol",
            self.sockets.clone(),
        );
        registry.register(
            "reauthentications",
            "Re-authentications after a revocation, by outcome",
            self.reauthentications.clone(),
        );
        registry.register(
            "send_queue_bytes",
            "Bytes in the send queues of all connections",
            self.send_queue_bytes.clone(),
        );
        registry.register(
            "frames_refused",
            "Frames of clients that were refused before they became commands, by the code of the error",
            self.frames_refused.clone(),
        );
        registry.register(
            "commands_refused",
            "Commands answered with an error instead of being carried out, by reason",
            self.commands_refused.clone(),
        );
        registry.register_with_unit(
            "command",
            "From reading a frame to the answer to its command",
            Unit::Seconds,
            self.command_seconds.clone(),
        );
        registry.register(
            "exchange_commands",
            "Commands in an exchange that the messenger has answered",
            self.exchange_commands.clone(),
        );
        registry.register_with_unit(
            "exchange",
            "How long the messenger took for an exchange, retries included",
            Unit::Seconds,
            self.exchange_seconds.clone(),
        );
        registry.register(
            "exchange_age_seconds",
            "Since the last answered exchange, or since the start",
            self.exchange_age_seconds.clone(),
        );
        registry.register(
            "updates_behind",
            "How many updates of the messenger's log this sidecar has not played, at this moment",
            self.updates_behind.clone(),
        );
        registry.register(
            "tick_lease",
            "1 while this sidecar gives the tick",
            self.tick_lease.clone(),
        );
        registry.register(
            "publications_sent",
            "Publications to other sidecars",
            self.publications_sent.clone(),
        );
        registry.register(
            "publications_received",
            "Publications of other sidecars",
            self.publications_received.clone(),
        );
        registry.register(
            "publications_dropped",
            "Publications dropped because Redis did not accept them; other sidecars get the updates by exchange",
            self.publications_dropped.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that could not be written",
            self.log_lines_dropped.clone(),
        );
        registry.register(
            "messenger_database_bytes",
            "The size of the messenger's database as last reported",
            self.messenger_database_bytes.clone(),
        );
        registry.register(
            "messenger_wal_bytes",
            "The size of its write-ahead log; absent where the database is a server",
            self.messenger_wal_bytes.clone(),
        );
        registry.register(
            "messenger_log_rows",
            "How many updates the messenger's log has",
            self.messenger_log_rows.clone(),
        );
        registry.register(
            "messenger_waiting",
            "How many requests for help wait, in all agencies",
            self.messenger_waiting.clone(),
        );
        registry.register(
            "messenger_oldest_wait_seconds",
            "How long the oldest of them has waited; 0 for none",
            self.messenger_oldest_wait_seconds.clone(),
        );
        registry.register(
            "messenger_active_chats",
            "How many chats are led",
            self.messenger_active_chats.clone(),
        );
        registry.register(
            "messenger_lock_releases",
            "How many locks of closed requests wait because the participant service did not release them",
            self.messenger_lock_releases.clone(),
        );
        registry.register(
            "messenger_oldest_lock_release_seconds",
            "Since the end of the chat whose lock has waited longest; 0 for none",
            self.messenger_oldest_lock_release_seconds.clone(),
        );
        registry.register(
            "messenger_tick_age_seconds",
            "Since the messenger's last tick, up to 30 s too much. It grows while the dispatcher does not call",
            self.messenger_tick_age_seconds.clone(),
        );
        registry.register(
            "participant_undelivered_presses",
            "How many presses wait to be delivered to the messenger; -1 if not known",
            self.participant_undelivered_presses.clone(),
        );
        registry.register(
            "participant_oldest_undelivered_press_seconds",
            "Since the oldest of them arrived; 0 for none, -1 if not known",
            self.participant_oldest_undelivered_press_seconds.clone(),
        );
        registry.register(
            "participant_undelivered_changes",
            "How many changed and deleted accounts the messenger has not been told of; -1 if not known",
            self.participant_undelivered_changes.clone(),
        );
        registry.register(
            "participant_oldest_undelivered_change_seconds",
            "Since the oldest of these changes; 0 for none, -1 if not known",
            self.participant_oldest_undelivered_change_seconds.clone(),
        );
        registry.register_collector(Box::new(self.canary.clone()));
        self
    }

    /// Counts a refused handshake.
    pub(crate) fn connection_refused(&self, reason: ConnectionRefusedBecause) {
        let refused = &self.connections_refused;
        refused.get_or_create(&ConnectionRefused { reason }).inc();
    }

    /// Counts an answered exchange.
    pub(crate) fn exchange_answered(&self, commands: usize, took: Duration) {
        self.exchange_commands
            .observe(u32::try_from(commands).map_or(f64::MAX, f64::from));
        self.exchange_seconds.observe(took.as_secs_f64());
        *self.exchanged.lock().expect("no panic while locked") = Instant::now();
    }

    /// Counts an authenticated connection.
    pub(crate) fn socket_opened(&self, protocol: Protocol) -> OpenSocket {
        let protocol = match protocol {
            Protocol::Contract => "contract",
            Protocol::Two => "two",
        };
        let open = self.sockets.get_or_create(&Speaks { protocol }).clone();
        open.inc();
        OpenSocket(open)
    }

    /// Counts a re-authentication.
    pub(crate) fn reauthenticated(&self, outcome: &'static str) {
        self.reauthentications
            .get_or_create(&Reauthenticated { outcome })
            .inc();
    }

    /// Counts an answered command.
    pub(crate) fn command_answered(&self, took: Duration) {
        self.command_seconds.observe(took.as_secs_f64());
    }

    /// Counts a frame that was answered with an error of this code and did not become a command.
    pub(crate) fn frame_refused(&self, code: &'static str) {
        self.frames_refused.get_or_create(&FrameRefused { code }).inc();
    }

    /// Counts a refused command.
    pub(crate) fn refused(&self, reason: RefusedBecause) {
        self.commands_refused.get_or_create(&Refused { reason }).inc();
    }

    /// The counter of connections that ended this way.
    pub(crate) fn ended(&self, how: &'static str) {
        self.ended.get_or_create(&Ended { how }).inc();
    }

    /// Takes the messenger's numbers, and the canary's latest run. `cursor` is what this sidecar has played by now.
    pub(crate) fn set_messenger_status(&self, status: &Status, cursor: Option<Cursor>) {
        let played = cursor.map_or(0, |cursor| cursor.id);
        self.updates_behind.set((status.log_end - played).max(0));
        self.messenger_database_bytes.set(status.database_bytes);
        self.messenger_wal_bytes.set(status.wal_bytes);
        self.messenger_log_rows.set(status.log_rows);
        self.messenger_waiting.set(status.waiting);
        self.messenger_oldest_wait_seconds.set(status.oldest_wait_seconds);
        self.messenger_active_chats.set(status.active_chats);
        self.messenger_lock_releases.set(status.lock_releases);
        self.messenger_oldest_lock_release_seconds
            .set(status.oldest_lock_release_seconds);
        self.messenger_tick_age_seconds.set(status.tick_age_seconds);
        self.canary.set(status.canary.as_ref());
    }

    /// Takes what waits to be delivered to the messenger; `None` when it is not known.
    pub(crate) fn set_undelivered(&self, undelivered: Option<Undelivered>) {
        let undelivered = undelivered.unwrap_or(Undelivered {
            presses: -1,
            oldest_seconds: -1,
            changes: -1,
            oldest_change_seconds: -1,
        });
        self.participant_undelivered_presses.set(undelivered.presses);
        self.participant_oldest_undelivered_press_seconds
            .set(undelivered.oldest_seconds);
        self.participant_undelivered_changes.set(undelivered.changes);
        self.participant_oldest_undelivered_change_seconds
            .set(undelivered.oldest_change_seconds);
    }

    /// Renders all metrics as text. `send_queue_bytes` is a gauge that its caller reads now.
    pub(crate) fn render(&self, send_queue_bytes: usize) -> String {
        self.send_queue_bytes
            .set(i64::try_from(send_queue_bytes).unwrap_or(i64::MAX));
        let age = self.exchanged.lock().expect("no panic while locked").elapsed();
        self.exchange_age_seconds
            .set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        // The log and the listener count for the whole process.
        self.log_lines_dropped
            .inner()
            .store(log_writer::dropped_lines(), Ordering::Relaxed);
        let reason = ConnectionRefusedBecause::no_connection;
        self.connections_refused
            .get_or_create(&ConnectionRefused { reason })
            .inner()
            .store(listener::refused_connections(), Ordering::Relaxed);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use hyper_util::rt::TokioExecutor;
    use hyper_util::server::conn::auto;
    use listener::Limits;
    use sidecar_api::{Canary, CanaryReport, CanaryStep};
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn all_counters_are_rendered() {
        let metrics = Metrics::new();
        metrics.connections.set(3);
        metrics.frames_dropped.add(DroppedBecause::reads_nothing, 2);
        metrics.refused(RefusedBecause::overloaded);
        metrics.frame_refused("rate_limited");
        metrics.ended("bad_token");
        metrics.connection_refused(ConnectionRefusedBecause::other_origin);
        metrics.exchange_answered(100, Duration::from_millis(5));
        metrics.command_answered(Duration::from_millis(7));
        let _open = metrics.socket_opened(Protocol::Two);
        metrics.reauthenticated("changed");
        metrics.tick_lease.set(1);
        let status = Status {
            database_bytes: Some(8192),
            log_rows: 17,
            canary: Some(Canary {
                age: 12_000,
                report: CanaryReport {
                    failed_step: Some("take".to_owned()),
                    steps: vec![CanaryStep {
                        name: "press".to_owned(),
                        milliseconds: 40,
                    }],
                },
            }),
            log_end: 30,
            waiting: 2,
            oldest_wait_seconds: 61,
            active_chats: 4,
            lock_releases: 1,
            oldest_lock_release_seconds: 9,
            tick_age_seconds: 12,
            ..Status::default()
        };
        metrics.set_messenger_status(&status, Some(Cursor { id: 28, made_at: 1 }));
        metrics.set_undelivered(Some(Undelivered {
            presses: 3,
            oldest_seconds: 95,
            changes: 2,
            oldest_change_seconds: 301,
        }));
        let text = metrics.render(5);
        for line in [
            "mayday_sidecar_connections 3",
            "mayday_sidecar_send_queue_bytes 5",
            "mayday_sidecar_frames_dropped_total{reason=\"reads_nothing\"} 2",
            "mayday_sidecar_frames_refused_total{code=\"rate_limited\"} 1",
            "mayday_sidecar_commands_refused_total{reason=\"overloaded\"} 1",
            "mayday_sidecar_connections_ended_total{how=\"bad_token\"} 1",
            "mayday_sidecar_connections_refused_total{reason=\"other_origin\"} 1",
            "mayday_sidecar_connections_refused_total{reason=\"no_socket\"} 0",
            "mayday_sidecar_exchange_commands_bucket{le=\"128.0\"} 1",
            "mayday_sidecar_exchange_commands_bucket{le=\"64.0\"} 0",
            "mayday_sidecar_exchange_seconds_count 1",
            "mayday_sidecar_command_seconds_bucket{le=\"0.008\"} 1",
            "mayday_sidecar_messenger_database_bytes 8192",
            "mayday_sidecar_messenger_log_rows 17",
            "mayday_sidecar_canary_ok 0",
            "mayday_sidecar_canary_step_seconds{step=\"press\"} 0.04",
            "mayday_sidecar_canary_failed{step=\"take\"} 1",
            "mayday_sidecar_updates_behind 2",
            "mayday_sidecar_exchange_age_seconds 0",
            "mayday_sidecar_sockets{protocol=\"contract\"} 0",
            "mayday_sidecar_sockets{protocol=\"two\"} 1",
            "mayday_sidecar_reauthentications_total{outcome=\"changed\"} 1",
            "mayday_sidecar_reauthentications_total{outcome=\"confirmed\"} 0",
            "mayday_sidecar_tick_lease 1",
            "mayday_sidecar_messenger_waiting 2",
            "mayday_sidecar_messenger_oldest_wait_seconds 61",
            "mayday_sidecar_messenger_active_chats 4",
            "mayday_sidecar_messenger_lock_releases 1",
            "mayday_sidecar_messenger_oldest_lock_release_seconds 9",
            "mayday_sidecar_messenger_tick_age_seconds 12",
            "mayday_sidecar_participant_undelivered_presses 3",
            "mayday_sidecar_participant_oldest_undelivered_press_seconds 95",
            "mayday_sidecar_participant_undelivered_changes 2",
            "mayday_sidecar_participant_oldest_undelivered_change_seconds 301",
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
        let text = Metrics::new().render(0);
        let name = "mayday_sidecar_connections_refused_total{reason=\"no_connection\"} ";
        let count = text.lines().find_map(|line| line.strip_prefix(name));
        assert!(count.is_some_and(|count| count != "0"), "{text}");
    }

    #[test]
    fn a_size_that_the_database_does_not_tell_is_left_out() {
        let metrics = Metrics::new();
        let show = |wal_bytes| {
            let status = Status {
                database_bytes: Some(8192),
                wal_bytes,
                ..Status::default()
            };
            metrics.set_messenger_status(&status, None);
            metrics.render(0)
        };
        let text = show(Some(4120));
        assert!(
            text.contains("\nmayday_sidecar_messenger_wal_bytes 4120\n"),
            "{text}"
        );
        let text = show(None);
        assert!(
            text.contains("\nmayday_sidecar_messenger_database_bytes 8192\n"),
            "{text}"
        );
        assert!(!text.contains("messenger_wal_bytes"), "{text}");
    }
}
