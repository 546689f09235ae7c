//! Chats that change hands: a guest has signed in to an account.

use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::parameters;

/// The agencies in whose queues a participant waits.
pub(crate) fn agencies_waited_for(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT DISTINCT agency_id FROM chats WHERE participant_id = ?1 AND state = 'waiting'",
        parameters![participant_id],
        |row| row.get(0),
    )
}

/// Who has the chats of a participant: the participant, or the account that a guest has signed in to.
pub(crate) fn owner(connection: &Connection, participant_id: i64) -> Result<i64, DatabaseError> {
    let account = query_one(
        connection,
        "SELECT account_id FROM hand_overs WHERE guest_id = ?1",
        parameters![participant_id],
        |row| row.get(0),
    )?;
    Ok(account.unwrap_or(participant_id))
}

/// Gives a guest's chats to an account, and those that still arrive. To be called in a transaction.
pub(crate) fn hand_over(
    connection: &Connection,
    guest_id: i64,
    account_id: i64,
) -> Result<(), DatabaseError> {
    // Whoever has the chats is reached otherwise.
    execute(
        connection,
        "DELETE FROM contacts WHERE participant_id = ?1",
        parameters![guest_id],
    )?;
    for statement in [
        "UPDATE messages SET author_id = ?2
         WHERE chat_id IN (SELECT id FROM chats WHERE participant_id = ?1) AND from_organizer = 0 AND author_id = ?1",
        "UPDATE chats SET participant_id = ?2 WHERE participant_id = ?1",
        "UPDATE lock_releases SET participant_id = ?2 WHERE participant_id = ?1",
        // The account may have been one that another guest signed in to.
        "UPDATE hand_overs SET account_id = ?2 WHERE account_id = ?1",
        "INSERT INTO hand_overs (guest_id, account_id) VALUES (?1, ?2)
         ON CONFLICT (guest_id) DO UPDATE SET account_id = excluded.account_id",
    ] {
        execute(connection, statement, parameters![guest_id, account_id])?;
    }
    Ok(())
}
