//! What happens without a sidecar having asked for it, for all sidecars to read.

use relay_protocol::{Delivery, Queue, Waiting};
use service::clock::Millis;
use service::database::{DatabaseError, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::{json_list, queue, revision};

/// Notes frames that every sidecar is to show to whoever of the recipients is there.
pub(crate) fn announce(connection: &Connection, deliveries: &[Delivery]) -> Result<(), DatabaseError> {
    let revision = revision::advance(connection)?;
    execute(
        connection,
        "INSERT INTO news (delivery, revision) SELECT value, ?2 FROM json_each(?1) ORDER BY key",
        &[json_list(&deliveries)?, Value::Integer(revision)],
    )
}

/// Notes that a sidecar is lost, and with it what it has not passed on.
pub(crate) fn announce_loss(connection: &Connection) -> Result<(), DatabaseError> {
    execute(connection, "INSERT INTO news (sidecar_lost) VALUES (1)", &[])
}

/// Whether a sidecar was lost after a number.
pub(crate) fn tells_of_loss(connection: &Connection, after: i64) -> Result<bool, DatabaseError> {
    let found = query_one(
        connection,
        "SELECT 1 FROM news WHERE id > ?1 AND sidecar_lost = 1 LIMIT 1",
        parameters![after],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Estimates are made from what was since `since`, and so change with time: notes the queues for which a pickup has just become too old. Ticks come each
/// second; this looks at five, so that none is missed when they are late.
pub(crate) fn announce_estimates(connection: &Connection, since: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO news (agency_id)
         SELECT agency_id FROM (SELECT DISTINCT agency_id FROM chats WHERE state = 'waiting') q
         WHERE EXISTS (SELECT 1 FROM chats c WHERE c.agency_id = q.agency_id AND c.time_start >= ?1 - 5000 AND c.time_start < ?1)",
        parameters![since],
    )
}

/// The first and the last number there is; the first is one behind the last where there is nothing.
pub(crate) fn range(connection: &Connection) -> Result<(i64, i64), DatabaseError> {
    let range = query_one(
        connection,
        "SELECT (SELECT min(id) FROM news), (SELECT seq FROM sqlite_sequence WHERE name = 'news')",
        &[],
        |row| {
            let last = row.get::<Option<i64>>(1)?.unwrap_or_default();
            Ok((row.get::<Option<i64>>(0)?.unwrap_or(last + 1), last))
        },
    )?;
    Ok(range.unwrap_or_default())
}

/// The frames after a number.
pub(crate) fn deliveries(connection: &Connection, after: i64) -> Result<Vec<Delivery>, DatabaseError> {
    query(
        connection,
        "SELECT delivery, revision FROM news WHERE id > ?1 AND delivery IS NOT NULL ORDER BY id",
        parameters![after],
        |row| {
            let text: String = row.get(0)?;
            let delivery = serde_json::from_str(&text).map_err(|error| DatabaseError(error.to_string()))?;
            Ok(Delivery {
                revision: Some(row.get(1)?),
                ..delivery
            })
        },
    )
}

/// The agencies whose queues have changed after a number.
pub(crate) fn changed_queues(connection: &Connection, after: i64) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT DISTINCT agency_id FROM news WHERE id > ?1 AND agency_id IS NOT NULL",
        parameters![after],
        |row| row.get(0),
    )
}

/// The agencies for which somebody waits.
pub(crate) fn busy_queues(connection: &Connection) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT DISTINCT agency_id FROM chats WHERE state = 'waiting'",
        &[],
        |row| row.get(0),
    )
}

/// An agency's queue as it is, with the estimate that pickups since a moment allow.
pub(crate) fn queue(connection: &Connection, agency_id: i64, since: Millis) -> Result<Queue, DatabaseError> {
    let waiting = query(
        connection,
        "SELECT participant_id, event_id, pressed_at FROM chats
         WHERE agency_id = ?1 AND state = 'waiting' ORDER BY pressed_at, id",
        parameters![agency_id],
        |row| {
            Ok(Waiting {
                participant_id: row.get(0)?,
                event_id: row.get(1)?,
                pressed_at: row.get(2)?,
            })
        },
    )?;
    Ok(Queue {
        agency_id,
        waiting,
        estimate: queue::estimate(connection, agency_id, since)?,
    })
}

/// Forgets what every sidecar has read, or never will.
pub(crate) fn forget_old(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM news WHERE made_at < unixepoch() - 300",
        &[],
    )
}
