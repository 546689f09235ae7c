//! The agencies of the canary's runs.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, execute, query_one, transaction};
use service::parameters;

use crate::error::Error;
use crate::store::users::Role;

/// How long the agency of a run is kept: longer than any run takes.
const KEPT: Millis = 60 * 1000;

/// Adds an agency, its event and its organizer, all with the same id below 0, and deletes those of earlier runs.
/// Returns the id, and the organizer's e-mail.
pub(crate) fn set_up_agency(connection: &Connection, password_hash: &str) -> Result<(i64, String), Error> {
    transaction(connection, |connection| {
        execute(
            connection,
            &format!("DELETE FROM users WHERE id < 0 AND time_created < {NOW} - ?1"),
            parameters![KEPT],
        )?;
        for delete in [
            "DELETE FROM events WHERE id < 0 AND id NOT IN (SELECT id FROM users WHERE id < 0)",
            "DELETE FROM agencies WHERE id < 0 AND id NOT IN (SELECT id FROM users WHERE id < 0)",
        ] {
            execute(connection, delete, &[])?;
        }
        // The time, so that no id is used again, and less than all others, so that runs at the same time differ.
        let id = query_one(
            connection,
            &format!(
                "INSERT INTO agencies (id, name, address, approved)
                 SELECT id, 'canary ' || id, '', 1
                 FROM (SELECT min(-{NOW}, coalesce(min(id), 0) - 1) AS id FROM agencies)
                 RETURNING id"
            ),
            &[],
            |row| row.get(0),
        )?;
        let id: i64 = id.ok_or_else(|| DatabaseError("no agency was added".to_owned()))?;
        let email = format!("canary{id}@mayday.invalid");
        execute(
            connection,
            &format!(
                "INSERT INTO users (id, email, password_hash, first_name, last_name, phone_number, time_created,
                                    time_sign_out, role, agency_id)
                 VALUES (?1, ?2, ?3, 'Canary', '', '', {NOW}, {NOW}, ?4, ?1)"
            ),
            parameters![id, &email, password_hash, Role::AgencySupport.number()],
        )?;
        execute(
            connection,
            &format!(
                "INSERT INTO events (id, name, description, address, lat, lng, time_start, time_end, agency_id)
                 VALUES (?1, 'canary ' || ?1, '', '', 0, 0, {NOW}, {NOW} + ?2, ?1)"
            ),
            parameters![id, KEPT],
        )?;
        Ok((id, email))
    })
}
