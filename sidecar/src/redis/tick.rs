//! The tick that makes the dispatcher work. All sidecars could publish it; the one that holds a lease in Redis does.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;

/// How often the tick is published while somebody is connected, ...
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// ... and while nobody is.
pub(crate) const IDLE_EVERY: Duration = Duration::from_secs(2);

/// A sidecar that has not renewed its lease for so long has lost it.
const LEASE: Duration = Duration::from_secs(3);

const LEASE_KEY: &str = "mayday.tick.lease";
const CHANNEL: &str = "mayday.tick";
const PAYLOAD: &str = "tick";

/// Takes the lease if it is free, renews it if it is ours, and publishes only then. One script, so that two sidecars
/// cannot both find it free.
const PUBLISH_AS_OWNER: &str = "
    local owner = redis.call('GET', KEYS[1])
    if owner and owner ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    redis.call('PUBLISH', ARGV[3], ARGV[4])
    return 1";

const RELEASE_AS_OWNER: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 0";

/// Publishes a tick, unless another sidecar does.
pub(crate) async fn publish(connection: &mut MultiplexedConnection, id: &str) -> ::redis::RedisResult<()> {
    ::redis::cmd("EVAL")
        .arg(PUBLISH_AS_OWNER)
        .arg(1)
        .arg(LEASE_KEY)
        .arg(id)
        .arg(LEASE.as_millis() as u64)
        .arg(CHANNEL)
        .arg(PAYLOAD)
        .query_async(connection)
        .await
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
