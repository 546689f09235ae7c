//! Which sidecars are there. One that ends without a word may have shown something to its own connections and to nobody else.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// A sidecar that has not been heard for so long is lost. It is heard every second.
const PATIENCE: Millis = 3_000;

/// Those that are lost are remembered for so long.
const KEPT: Millis = 60 * 60 * 1000;

/// Notes that a sidecar is there. One that was thought lost and is not is given twice the time from now on: it may be heard by a host whose clock is
/// behind.
pub(crate) fn note(connection: &Connection, sidecar: &str, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO sidecars (id, seen_at, patience) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, patience = patience * (1 + is_lost), is_lost = 0",
        parameters![sidecar, now, PATIENCE],
    )
}

/// Notes that a sidecar has ended in good order.
pub(crate) fn leave(connection: &Connection, sidecar: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM sidecars WHERE id = ?1",
        parameters![sidecar],
    )
}

/// Whether one is not heard any more, which has not been noted yet.
pub(crate) fn is_one_silent(connection: &Connection, now: Millis) -> Result<bool, DatabaseError> {
    let found = query_one(
        connection,
        "SELECT 1 FROM sidecars WHERE is_lost = 0 AND seen_at < ?1 - patience LIMIT 1",
        parameters![now],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Notes that those are lost that are not heard any more. Returns whether there were any.
pub(crate) fn give_up_silent(connection: &Connection, now: Millis) -> Result<bool, DatabaseError> {
    let lost = query(
        connection,
        "UPDATE sidecars SET is_lost = 1 WHERE is_lost = 0 AND seen_at < ?1 - patience RETURNING 1",
        parameters![now],
        |row| row.get::<i64>(0),
    )?;
    Ok(!lost.is_empty())
}

/// Forgets those that were lost long ago.
pub(crate) fn forget_old(connection: &Connection, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM sidecars WHERE is_lost = 1 AND seen_at < ?1",
        parameters![now - KEPT],
    )
}
