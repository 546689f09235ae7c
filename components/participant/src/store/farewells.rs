//! Deleted accounts that the messenger is still to forget.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query};
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// Somebody who is to be forgotten.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub participant_id: i64,
    /// How often the messenger could not be told.
    pub attempts: i64,
}

/// Notes a farewell, due at `due_at`. To be called in the transaction of the deletion.
pub(crate) fn add(connection: &Connection, participant_id: i64, due_at: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO farewells (participant_id, due_at) VALUES (?1, ?2)",
        parameters![participant_id, due_at],
    )
}

/// What is due, the oldest first.
pub(crate) fn due(connection: &Connection, now: Millis, limit: i64) -> Result<Vec<Farewell>, DatabaseError> {
    query(
        connection,
        "SELECT participant_id, attempts FROM farewells WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
        parameters![now, limit],
        |row| {
            Ok(Farewell {
                participant_id: row.get(0)?,
                attempts: row.get(1)?,
            })
        },
    )
}

/// Strikes out those who have been forgotten.
pub(crate) fn done(connection: &Connection, participant_ids: &[i64]) -> Result<(), DatabaseError> {
    let ids = serde_json::Value::from(participant_ids).to_string();
    execute(
        connection,
        "DELETE FROM farewells WHERE participant_id IN (SELECT value FROM json_each(?1))",
        parameters![ids],
    )
}

/// Notes a failed try and when to try next.
pub(crate) fn postpone(
    connection: &Connection,
    participant_id: i64,
    due_at: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE farewells SET attempts = attempts + 1, due_at = ?2 WHERE participant_id = ?1",
        parameters![participant_id, due_at],
    )
}
