//! Which sidecars are there. One that ends without a word may have shown something to its own connections and to nobody else.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// A sidecar that has not been heard for so long has ended, or may as well have. It is heard every second.
const SILENCE: Millis = 3_000;

/// Notes that a sidecar is there.
pub(crate) fn note(connection: &Connection, sidecar: &str, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO sidecars (id, seen_at) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        parameters![sidecar, now],
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

/// Whether one is not heard any more.
pub(crate) fn has_silent(connection: &Connection, now: Millis) -> Result<bool, DatabaseError> {
    let found = query_one(
        connection,
        "SELECT 1 FROM sidecars WHERE seen_at < ?1 LIMIT 1",
        parameters![now - SILENCE],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Forgets those that are not heard any more. Returns whether there were any.
pub(crate) fn forget_silent(connection: &Connection, now: Millis) -> Result<bool, DatabaseError> {
    let forgotten = query(
        connection,
        "DELETE FROM sidecars WHERE seen_at < ?1 RETURNING id",
        parameters![now - SILENCE],
        |row| row.get::<String>(0),
    )?;
    Ok(!forgotten.is_empty())
}
