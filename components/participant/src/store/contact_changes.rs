//! Participants whose latest contact details the messenger does not have. Triggers insert them: see the migrations.

use service::database::{Connection, DatabaseError, execute, query};
use service::internal::Contact;
use service::parameters;
use service::retry;

use super::participants::{self, CONTACT};

/// What the messenger is to be told of a participant.
pub(crate) struct Change {
    /// A newer change of the same participant has another.
    pub id: i64,
    pub participant_id: i64,
    /// As it is now; `None` when the account is gone.
    pub contact: Option<Contact>,
}

/// What is due, the oldest first.
pub(crate) fn due(connection: &Connection, limit: i64) -> Result<Vec<Change>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT c.id, c.participant_id, {CONTACT}
             FROM contact_changes c LEFT JOIN participants p ON p.id = c.participant_id
             WHERE {is_due} ORDER BY c.due_at, c.id LIMIT ?1",
            is_due = retry::is_due(),
        ),
        parameters![limit],
        |row| {
            Ok(Change {
                id: row.get(0)?,
                participant_id: row.get(1)?,
                contact: participants::contact(&row, 2)?,
            })
        },
    )
}

/// Forgets what the messenger has been told.
pub(crate) fn done(connection: &Connection, ids: &[i64]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM contact_changes WHERE id IN (SELECT value FROM json_each(?1))",
        parameters![serde_json::Value::from(ids).to_string()],
    )
}

/// Notes that the messenger could not be told; the next try is later.
pub(crate) fn postpone(connection: &Connection, ids: &[i64]) -> Result<(), DatabaseError> {
    retry::postpone(connection, "contact_changes", "id", ids)
}
