//! The participants of the canary's runs.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, execute, transaction};
use service::parameters;

/// How long the participant of a run is kept: longer than any run takes.
const KEPT: Millis = 60 * 1000;

/// Adds a participant and deletes those of earlier runs. Returns the e-mail.
pub(crate) fn set_up_participant(
    connection: &Connection,
    id: i64,
    password_hash: &str,
) -> Result<String, DatabaseError> {
    let email = format!("canary{id}@mayday.invalid");
    transaction(connection, |connection| {
        for delete in [
            format!(
                "DELETE FROM outbox
                 WHERE participant_id IN (SELECT id FROM participants WHERE id < 0 AND time_created < {NOW} - ?1)"
            ),
            format!("DELETE FROM participants WHERE id < 0 AND time_created < {NOW} - ?1"),
            format!("DELETE FROM known_events WHERE id < 0 AND verified_at < {NOW} - ?1"),
        ] {
            execute(connection, &delete, parameters![KEPT])?;
        }
        // The messenger forgets them by itself.
        execute(
            connection,
            "DELETE FROM contact_changes WHERE participant_id < 0",
            &[],
        )?;
        execute(
            connection,
            &format!(
                "INSERT INTO participants (id, email, password_hash, time_created, time_sign_out)
                 VALUES (?1, ?2, ?3, {NOW}, {NOW})"
            ),
            parameters![id, &email, password_hash],
        )
    })?;
    Ok(email)
}
