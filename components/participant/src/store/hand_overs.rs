//! Guests who have signed in to an account: their requests and chats belong to the account, and the messenger has to
//! learn that.

use service::database::{Connection, DatabaseError, execute, query};
use service::internal::HandOver;
use service::parameters;
use service::password::OF_NO_PASSWORD;
use service::retry;

use super::participants::{self, CONTACT};

/// Gives all that a guest has open to an account, and notes that the messenger is to be told. To be called in
/// `Caller::change_guest`.
///
/// Both may have a request open for the same event. Then the account has both: each has its lock and its place in the
/// queue, and neither is lost.
///
/// Nobody signs in as this guest any more: the messenger gives every press of it to the account, so a new one would be
/// shown to another user than the one who pressed.
pub(crate) fn add(connection: &Connection, guest_id: i64, account_id: i64) -> Result<(), DatabaseError> {
    // The account has contact details of its own, and may be deleted before the guest.
    execute(
        connection,
        "UPDATE participants SET phone_number = '', name = '', password_hash = ?2 WHERE id = ?1",
        parameters![guest_id, OF_NO_PASSWORD],
    )?;
    for statement in [
        "UPDATE locks SET participant_id = ?2 WHERE participant_id = ?1",
        "UPDATE outbox SET participant_id = ?2 WHERE participant_id = ?1",
        // A key that the account has used as well is the account's.
        "UPDATE OR IGNORE presses SET participant_id = ?2 WHERE participant_id = ?1",
        "UPDATE presses SET participant_id = ?2, client_id = NULL WHERE participant_id = ?1",
        "INSERT INTO hand_overs (guest_id, account_id) VALUES (?1, ?2)
         ON CONFLICT (guest_id) DO UPDATE SET account_id = excluded.account_id, attempts = 0, due_at = 0",
    ] {
        execute(connection, statement, parameters![guest_id, account_id])?;
    }
    Ok(())
}

/// What is due, in the order in which it has happened.
pub(crate) fn due(connection: &Connection, limit: i64) -> Result<Vec<HandOver>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT h.guest_id, h.account_id, {CONTACT}
             FROM hand_overs h LEFT JOIN participants p ON p.id = h.account_id
             WHERE {is_due} ORDER BY h.due_at, h.guest_id LIMIT ?1",
            is_due = retry::is_due(),
        ),
        parameters![limit],
        |row| {
            Ok(HandOver {
                guest_id: row.get(0)?,
                account_id: row.get(1)?,
                contact: participants::contact(&row, 2)?,
            })
        },
    )
}

/// Forgets what the messenger has been told, unless the guest has signed in to another account meanwhile.
pub(crate) fn done(connection: &Connection, told: &[(i64, i64)]) -> Result<(), DatabaseError> {
    let told = serde_json::json!(told).to_string();
    execute(
        connection,
        "DELETE FROM hand_overs
         WHERE (guest_id, account_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
        parameters![told],
    )
}

/// Notes that the messenger could not be told; the next try is later.
pub(crate) fn postpone(connection: &Connection, guest_ids: &[i64]) -> Result<(), DatabaseError> {
    retry::postpone(connection, "hand_overs", "guest_id", guest_ids)
}
