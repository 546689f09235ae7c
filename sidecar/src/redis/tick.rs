//! The tick, at which the services do what is due. Of all sidecars, the one that holds a lease in Redis gives it. It
//! publishes the tick for the dispatcher, or calls the services itself where there is no dispatcher.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use bytes::Bytes;
use telemetry::Span;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::messenger::client::Messenger;
use crate::outage::Outage;
use crate::service::Service;

/// How often the tick is published while somebody is connected, ...
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// ... and while nobody is.
pub(crate) const IDLE_EVERY: Duration = Duration::from_secs(2);

/// A sidecar that does not renew its lease for this long loses it.
const LEASE: Duration = Duration::from_secs(3);

const LEASE_KEY: &str = "mayday.tick.lease";
const CHANNEL: &str = "mayday.tick";
const PAYLOAD: &str = "tick";

/// Takes the lease if it is free and renews it if it is ours. Returns 1 if it is ours now. One script, so that two
/// sidecars cannot both find it free.
const TAKE_LEASE: &str = "
    local owner = redis.call('GET', KEYS[1])
    if owner and owner ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1";

const RELEASE_AS_OWNER: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 0";

/// Time limit for a service's tick. Ticks that fall due meanwhile are skipped.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// The services that the sidecar calls at each tick.
#[derive(Debug)]
pub(crate) struct Services {
    participant: Service,
    messenger: Arc<Messenger>,
    is_due: Notify,
}

impl Services {
    pub(crate) fn new(participant: Service, messenger: Arc<Messenger>) -> Services {
        Services {
            participant,
            messenger,
            is_due: Notify::new(),
        }
    }

    /// Calls the services at each tick. A hanging service does not delay the tick of the other one. Runs until dropped.
    pub(crate) async fn call_when_due(&self) {
        let mut outages = ["tick of the participant service", "tick of the messenger"].map(Outage::new);
        loop {
            self.is_due.notified().await;
            let deadline = Instant::now() + CALL_TIMEOUT;
            let span = Span::of_work();
            let trace = span.context();
            let (participant, messenger) = tokio::join!(
                self.participant.post("tick", Bytes::new(), deadline, trace),
                self.messenger.tick(deadline, trace)
            );
            let are_done = participant.is_ok() && messenger.is_ok();
            span.end(|| "tick", are_done.then_some(200));
            for (outage, answer) in outages.iter_mut().zip([participant.map(drop), messenger]) {
                match answer {
                    Ok(()) => outage.ended(),
                    Err(error) => drop(outage.failed(&error, Some(trace))),
                }
            }
        }
    }
}

/// Gives a tick if this sidecar holds the lease: to `services`, or to the dispatcher if there are none. Returns whether
/// it does.
pub(crate) async fn tick(
    connection: &mut MultiplexedConnection,
    id: &str,
    services: Option<&Services>,
) -> ::redis::RedisResult<bool> {
    let is_ours: bool = ::redis::cmd("EVAL")
        .arg(TAKE_LEASE)
        .arg(1)
        .arg(LEASE_KEY)
        .arg(id)
        .arg(LEASE.as_millis() as u64)
        .query_async(connection)
        .await?;
    match services {
        _ if !is_ours => {}
        Some(services) => services.is_due.notify_one(),
        None => {
            let mut publish = ::redis::cmd("PUBLISH");
            publish
                .arg(CHANNEL)
                .arg(PAYLOAD)
                .query_async::<()>(connection)
                .await?;
        }
    }
    Ok(is_ours)
}

/// Lets another sidecar take over at once.
pub(crate) async fn release(connection: &mut MultiplexedConnection, id: &str) -> ::redis::RedisResult<()> {
    ::redis::cmd("EVAL")
        .arg(RELEASE_AS_OWNER)
        .arg(1)
        .arg(LEASE_KEY)
        .arg(id)
        .query_async(connection)
        .await
}
