//! What the organizer service has said of events, for when it is down.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// An event that was there, and its agency approved, when last asked about.
pub(crate) struct KnownEvent {
    pub agency_id: i64,
    pub verified_at: Millis,
    /// Whether presses are on their way to the messenger, for whichever event.
    pub amid_presses: bool,
}

/// What is known of an event.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<KnownEvent>, DatabaseError> {
    query_one(
        connection,
        "SELECT agency_id, verified_at, EXISTS (SELECT 1 FROM outbox) FROM known_events WHERE id = ?1",
        parameters![id],
        |row| {
            Ok(KnownEvent {
                agency_id: row.get(0)?,
                verified_at: row.get(1)?,
                amid_presses: row.get(2)?,
            })
        },
    )
}

/// Notes an event that is there.
pub(crate) fn learn(
    connection: &Connection,
    id: i64,
    agency_id: i64,
    now: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO known_events (id, agency_id, verified_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET agency_id = excluded.agency_id, verified_at = excluded.verified_at",
        parameters![id, agency_id, now],
    )
}

/// Forgets what is too old to rely on.
pub(crate) fn forget_older(connection: &Connection, than: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM known_events WHERE verified_at < ?1",
        parameters![than],
    )
}

/// Forgets an event that is not there any more.
pub(crate) fn forget(connection: &Connection, id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM known_events WHERE id = ?1",
        parameters![id],
    )
}
