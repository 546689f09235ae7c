//! Participants of whom the messenger has not heard the latest. Triggers note them: see the migrations.

use service::clock::Millis;
use service::database::{DatabaseError, execute, query};
use service::internal::Contact;
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// What the messenger is to hear of a participant.
pub(crate) struct Change {
    pub participant_id: i64,
    /// Which change this is; a newer one is told as well.
    pub version: i64,
    /// How often the messenger could not be told.
    pub attempts: i64,
    /// As it is now; `None` when the account is gone.
    pub contact: Option<Contact>,
}

/// What is due, the oldest first.
pub(crate) fn due(connection: &Connection, now: Millis, limit: i64) -> Result<Vec<Change>, DatabaseError> {
    query(
        connection,
        "SELECT c.participant_id, c.version, c.attempts, p.email, p.phone_number, p.contact_version
         FROM contact_changes c LEFT JOIN participants p ON p.id = c.participant_id
         WHERE c.due_at <= ?1 ORDER BY c.due_at, c.participant_id LIMIT ?2",
        parameters![now, limit],
        |row| {
            let email: Option<String> = row.get(3)?;
            let contact = |email| {
                Ok::<_, DatabaseError>(Contact {
                    email,
                    phone_number: row.get(4)?,
                    version: row.get(5)?,
                })
            };
            Ok(Change {
                participant_id: row.get(0)?,
                version: row.get(1)?,
                attempts: row.get(2)?,
                contact: email.map(contact).transpose()?,
            })
        },
    )
}

/// Strikes out what has been told, unless there is something newer to tell.
pub(crate) fn done(connection: &Connection, told: &[Change]) -> Result<(), DatabaseError> {
    let keys: Vec<_> = told
        .iter()
        .map(|change| [change.participant_id, change.version])
        .collect();
    execute(
        connection,
        "DELETE FROM contact_changes
         WHERE (participant_id, version) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
        parameters![serde_json::json!(keys).to_string()],
    )
}

/// Notes a failed try and when to try next.
pub(crate) fn postpone(
    connection: &Connection,
    change: &Change,
    due_at: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE contact_changes SET attempts = attempts + 1, due_at = ?3 WHERE participant_id = ?1 AND version = ?2",
        parameters![change.participant_id, change.version, due_at],
    )
}
