//! Events that the organizer service has verified, for when it is down.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, execute, query_one};
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
        &format!(
            "SELECT agency_id, {NOW} - verified_at, EXISTS (SELECT 1 FROM outbox) FROM known_events WHERE id = ?1"
        ),
        parameters![id],
        |row| {
            Ok(KnownEvent {
                agency_id: row.get(0)?,
                age: row.get(1)?,
                amid_presses: row.get(2)?,
            })
        },
    )
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

/// The most events that one tick deletes.
const MOST_FORGOTTEN: i64 = 500;

/// Deletes what is too old to rely on; `None` for nothing.
pub(crate) fn forget_old(connection: &Connection, age: Option<Millis>) -> Result<(), DatabaseError> {
    let Some(age) = age else {
        return Ok(());
    };
    let condition = format!("verified_at < {NOW} - ?1");
    // Reading first spares the write lock, for which others may be waiting.
    let old = query_one(
        connection,
        &format!("SELECT 1 FROM known_events WHERE {condition} LIMIT 1"),
        parameters![age],
        |row| row.get::<i64>(0),
    )?;
    match old {
        Some(_) => execute(
            connection,
            &format!(
                "DELETE FROM known_events
                 WHERE id IN (SELECT id FROM known_events WHERE {condition} LIMIT {MOST_FORGOTTEN})"
            ),
            parameters![age],
        ),
        None => Ok(()),
    }
}

/// Deletes an event that does not exist any more.
pub(crate) fn forget(connection: &Connection, id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM known_events WHERE id = ?1",
        parameters![id],
    )
}
