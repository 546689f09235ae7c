//! Closed requests whose locks are still to be released.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::chats::Chat;
use crate::store::json_list;

/// A lock that is to be released.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub request_id: String,
    pub participant_id: i64,
    pub event_id: i64,
    /// How often it has been tried in vain.
    pub attempts: i64,
}

impl Release {
    /// The lock that a closed chat's request holds.
    pub(crate) fn of(chat: &Chat) -> Release {
        Release {
            request_id: chat.request_id.clone(),
            participant_id: chat.participant_id,
            event_id: chat.event_id,
            attempts: 0,
        }
    }
}

/// Notes a release, due at `due_at`. To be called in the transaction of the closing.
pub(crate) fn add(connection: &Connection, release: &Release, due_at: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO outbox (request_id, participant_id, event_id, due_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
        parameters![
            &release.request_id,
            release.participant_id,
            release.event_id,
            due_at
        ],
    )
}

/// What is due, the oldest first.
pub(crate) fn due(connection: &Connection, now: Millis, limit: i64) -> Result<Vec<Release>, DatabaseError> {
    query(
        connection,
        "SELECT request_id, participant_id, event_id, attempts FROM outbox WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
        parameters![now, limit],
        |row| {
            Ok(Release {
                request_id: row.get(0)?,
                participant_id: row.get(1)?,
                event_id: row.get(2)?,
                attempts: row.get(3)?,
            })
        },
    )
}

/// Whether something waits that has been tried in vain.
pub(crate) fn has_failed(connection: &Connection) -> Result<bool, DatabaseError> {
    let failed = query_one(
        connection,
        "SELECT 1 FROM outbox WHERE attempts > 0 LIMIT 1",
        &[],
        |row| row.get::<i64>(0),
    )?;
    Ok(failed.is_some())
}

/// Has some tried at the next tick.
pub(crate) fn make_due(
    connection: &Connection,
    request_ids: &[&String],
    now: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE outbox SET due_at = ?2 WHERE request_id IN (SELECT value FROM json_each(?1))",
        &[json_list(&request_ids)?, Value::Integer(now)],
    )
}

/// Forgets what has been released.
pub(crate) fn done(connection: &Connection, request_ids: &[String]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM outbox WHERE request_id IN (SELECT value FROM json_each(?1))",
        &[json_list(&request_ids)?],
    )
}

/// Notes a failed try and when to try next.
pub(crate) fn postpone(
    connection: &Connection,
    request_id: &str,
    due_at: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE outbox SET attempts = attempts + 1, due_at = ?2 WHERE request_id = ?1",
        parameters![request_id, due_at],
    )
}
