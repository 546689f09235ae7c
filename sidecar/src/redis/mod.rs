//! Redis: the fast lane of updates between sidecars, and the tick.
//!
//! A sidecar publishes the updates that its exchange has committed once, for all sidecars, as the messenger wrote them.
//! Redis stores nothing, and may be late or down. Nothing depends on it: a sidecar that misses a publication gets the
//! update with its next exchange.

pub(crate) mod tick;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::redis::AsyncConnectionConfig;
use ::redis::aio::MultiplexedConnection;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tracing::debug;

use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::player::Player;
use crate::redis::tick::Services;

/// Time limit for Redis to accept a connection or to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the sidecar checks the subscribing connection. It notices a closed one at once; the check finds one that
/// broke silently.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// The most bytes that wait to be published. Beyond that the sidecar drops the oldest: other sidecars get them with an
/// exchange.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// The channel of all updates.
const CHANNEL: &str = "mayday.updates";

/// The sidecar's connections to Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    /// Identifies this sidecar, so that it recognizes its own publications.
    sidecar: String,
    client: ::redis::Client,
    /// Whom the sidecar calls at a tick; absent where a dispatcher does.
    services: Option<Arc<Services>>,
    outgoing: Mutex<Outgoing>,
    outgoing_filled: Notify,
    publisher: Mutex<Option<MultiplexedConnection>>,
    is_subscribed: AtomicBool,
}

#[derive(Debug, Default)]
struct Outgoing {
    queue: VecDeque<String>,
    bytes: usize,
    is_closed: bool,
}

/// Why a connection to Redis ended.
#[derive(Debug, thiserror::Error)]
enum ConnectionLost {
    #[error("{0}")]
    Redis(#[from] ::redis::RedisError),
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the connection was closed")]
    Closed,
}

impl Redis {
    pub(crate) fn new(
        url: &str,
        sidecar: &str,
        services: Option<Arc<Services>>,
    ) -> Result<Redis, ::redis::RedisError> {
        Ok(Redis {
            sidecar: sidecar.to_owned(),
            client: ::redis::Client::open(url)?,
            services,
            outgoing: Mutex::default(),
            outgoing_filled: Notify::new(),
            publisher: Mutex::new(None),
            is_subscribed: AtomicBool::new(false),
        })
    }

    /// Queues updates for publication to the other sidecars.
    pub(crate) fn publish(&self, updates: &str, metrics: &Metrics) {
        let mut payload = String::with_capacity(self.sidecar.len() + 1 + updates.len());
        payload.push_str(&self.sidecar);
        payload.push('\n');
        payload.push_str(updates);
        let mut outgoing = self.outgoing.lock().expect("no panic while locked");
        outgoing.bytes += payload.len();
        outgoing.queue.push_back(payload);
        while outgoing.bytes > MAX_QUEUED_BYTES && outgoing.queue.len() > 1 {
            outgoing.pop();
            metrics.publications_dropped.inc();
        }
        drop(outgoing);
        self.outgoing_filled.notify_one();
    }

    /// Ends publishing: [`Redis::send`] returns when it has sent the queued publications.
    pub(crate) fn close(&self) {
        self.outgoing.lock().expect("no panic while locked").is_closed = true;
        self.outgoing_filled.notify_one();
    }

    /// Whether Redis answers and the subscription works.
    pub(crate) async fn is_ready(&self) -> bool {
        let publisher = self.publisher.lock().expect("no panic while locked").clone();
        let Some(mut publisher) = publisher else {
            return false;
        };
        self.is_subscribed.load(Ordering::Relaxed)
            && ::redis::cmd("PING")
                .query_async::<()>(&mut publisher)
                .await
                .is_ok()
    }

    /// Plays the updates that other sidecars publish. Runs until dropped.
    pub(crate) async fn subscribe(&self, player: &Player, metrics: &Metrics) {
        let mut outage = Outage::new("Redis: subscription");
        loop {
            let Err(lost) = self.subscribe_until_lost(player, metrics, &mut outage).await;
            self.is_subscribed.store(false, Ordering::Relaxed);
            sleep(outage.failed(&lost, None)).await;
        }
    }

    async fn subscribe_until_lost(
        &self,
        player: &Player,
        metrics: &Metrics,
        outage: &mut Outage,
    ) -> Result<Infallible, ConnectionLost> {
        let (mut sink, mut stream) = with_timeout(self.client.get_async_pubsub()).await?.split();
        with_timeout(sink.subscribe(CHANNEL)).await?;
        self.is_subscribed.store(true, Ordering::Relaxed);
        outage.ended();
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let check = async {
            loop {
                checks.tick().await;
                with_timeout(sink.ping::<::redis::Value>()).await?;
            }
        };
        // Takes messages during a check as well, because the library's buffer for them is unbounded.
        let listen = async {
            while let Some(message) = stream.next().await {
                let payload = std::str::from_utf8(message.get_payload_bytes()).unwrap_or_default();
                match payload.split_once('\n') {
                    Some((sidecar, updates)) if sidecar != self.sidecar => {
                        metrics.publications_received.inc();
                        player.receive(updates);
                    }
                    _ => {}
                }
            }
            ConnectionLost::Closed
        };
        tokio::select! {
            lost = check => lost,
            lost = listen => Err(lost),
        }
    }

    /// Sends the queued publications, and the tick when it is due. Runs until [`Redis::close`].
    pub(crate) async fn send(&self, player: &Player, metrics: &Metrics) {
        let mut backoff = Backoff::new();
        loop {
            let ended = self.send_until_lost(player, metrics, &mut backoff).await;
            metrics.tick_lease.set(0);
            self.publisher.lock().expect("no panic while locked").take();
            match ended {
                Ok(()) => return,
                // The subscription logs the outage, once.
                Err(lost) => debug!(error = %lost, "Redis connection for publishing lost: {lost}"),
            }
            sleep(backoff.next_delay()).await;
        }
    }

    async fn send_until_lost(
        &self,
        player: &Player,
        metrics: &Metrics,
        backoff: &mut Backoff,
    ) -> Result<(), ConnectionLost> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let mut connection =
            with_timeout(self.client.get_multiplexed_async_connection_with_config(&config)).await?;
        *self.publisher.lock().expect("no panic while locked") = Some(connection.clone());
        *backoff = Backoff::new();
        let mut last_tick = None;
        loop {
            let tick_every = if player.is_empty() {
                tick::IDLE_EVERY
            } else {
                tick::EVERY
            };
            let next_tick = last_tick.map_or_else(Instant::now, |last_tick| last_tick + tick_every);
            tokio::select! {
                payloads = self.next_outgoing() => {
                    if payloads.is_empty() {
                        return Ok(tick::release(&mut connection, &self.sidecar).await?);
                    }
                    let mut pipeline = ::redis::pipe();
                    for payload in &payloads {
                        pipeline.publish(CHANNEL, payload).ignore();
                    }
                    pipeline.query_async::<()>(&mut connection).await?;
                    metrics.publications_sent.inc_by(payloads.len() as u64);
                }
                () = sleep_until(next_tick) => {
                    last_tick = Some(Instant::now());
                    let services = self.services.as_deref();
                    let is_ours = tick::tick(&mut connection, &self.sidecar, services).await?;
                    metrics.tick_lease.set(is_ours.into());
                }
            }
        }
    }

    /// Takes the queued publications; empty after [`Redis::close`].
    async fn next_outgoing(&self) -> Vec<String> {
        loop {
            {
                let mut outgoing = self.outgoing.lock().expect("no panic while locked");
                if !outgoing.queue.is_empty() || outgoing.is_closed {
                    outgoing.bytes = 0;
                    return outgoing.queue.drain(..).collect();
                }
            }
            self.outgoing_filled.notified().await;
        }
    }
}

impl Outgoing {
    fn pop(&mut self) {
        if let Some(payload) = self.queue.pop_front() {
            self.bytes -= payload.len();
        }
    }
}

async fn with_timeout<T>(call: impl Future<Output = ::redis::RedisResult<T>>) -> Result<T, ConnectionLost> {
    match timeout(ANSWER_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(ConnectionLost::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_publications_are_dropped_when_the_queue_is_full() {
        let redis = Redis::new("redis://127.0.0.1:1", "me", None).unwrap();
        let metrics = Metrics::new();
        for letter in ["a", "b", "c", "d", "e", "f"] {
            redis.publish(&letter.repeat(MAX_QUEUED_BYTES / 4), &metrics);
        }
        let outgoing = redis.outgoing.lock().unwrap();
        let first: Vec<_> = outgoing.queue.iter().map(|payload| &payload[..4]).collect();
        assert_eq!(first, ["me\nd", "me\ne", "me\nf"]);
        assert_eq!(metrics.publications_dropped.get(), 3);
    }
}
