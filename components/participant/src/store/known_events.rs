//! Events that the organizer service has verified, for when it is down.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, Row, execute, query, query_one};
use service::parameters;

/// An event that was there, and its agency approved, when last asked about.
pub(crate) struct KnownEvent {
    pub agency_id: i64,
    /// How long ago that was.
    pub age: Millis,
    /// Whether presses for any event are being delivered to the messenger.
    pub amid_presses: bool,
}

/// What is known of an event.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<KnownEvent>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {} FROM known_events WHERE id = ?1", columns()),
        parameters![id],
        |row| decode(&row, 0),
    )
    .map(Option::flatten)
}

/// What is asked of a known event, to be read by [`decode`].
pub(super) fn columns() -> String {
    format!("agency_id, {NOW} - verified_at AS age, EXISTS (SELECT 1 FROM outbox) AS amid_presses")
}

/// Reads a known event from the column where it begins; `None` where an outer join has found none.
pub(super) fn decode(row: &Row, first: usize) -> Result<Option<KnownEvent>, DatabaseError> {
    let Some(agency_id) = row.get(first)? else {
        return Ok(None);
    };
    Ok(Some(KnownEvent {
        agency_id,
        age: row.get(first + 1)?,
        amid_presses: row.get(first + 2)?,
    }))
}

/// Stores that an event has been verified now.
pub(crate) fn learn(connection: &Connection, id: i64, agency_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        &format!(
            "INSERT INTO known_events (id, agency_id, verified_at) VALUES (?1, ?2, {NOW})
             ON CONFLICT (id) DO UPDATE SET agency_id = excluded.agency_id, verified_at = excluded.verified_at"
        ),
        parameters![id, agency_id],
    )
}

/// Events that were last verified before a time. Those of the canary, whose ids are below 0, are deleted otherwise.
pub(crate) fn old(
    connection: &Connection,
    verified_before: Millis,
    limit: i64,
) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT id FROM known_events WHERE verified_at < ?1 AND id > 0 LIMIT ?2",
        parameters![verified_before, limit],
        |row| row.get(0),
    )
}

/// Deletes events.
pub(crate) fn remove(connection: &Connection, ids: &[i64]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM known_events WHERE id IN (SELECT value FROM json_each(?1))",
        parameters![serde_json::Value::from(ids).to_string()],
    )
}

/// Deletes an event that does not exist any more.
pub(crate) fn forget(connection: &Connection, id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM known_events WHERE id = ?1",
        parameters![id],
    )
}
