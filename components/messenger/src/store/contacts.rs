//! How to reach participants.

use service::clock::Millis;
use service::database::{DatabaseError, execute};
use service::internal::ContactChange;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::json_list;

/// Notes how participants can be reached now. What is older than what is known changes nothing, and who has been forgotten stays so.
pub(crate) fn update(connection: &Connection, changes: &[ContactChange]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO contacts (participant_id, email, phone_number, version)
         SELECT value ->> 'participantId', value ->> '$.contact.email', value ->> '$.contact.phoneNumber', value ->> '$.contact.version'
         FROM json_each(?1)
         WHERE value ->> 'participantId' NOT IN (SELECT participant_id FROM forgotten_participants)
         ON CONFLICT (participant_id) DO UPDATE
         SET email = excluded.email, phone_number = excluded.phone_number, version = excluded.version
         WHERE excluded.version > version",
        &[json_list(&changes)?],
    )
}

/// Forgets how to reach participants, also in what is still to be shown, and lets them wait no more. To be called in a transaction.
pub(crate) fn forget(
    connection: &Connection,
    participant_ids: &[i64],
    now: Millis,
) -> Result<(), DatabaseError> {
    let ids = json_list(&participant_ids)?;
    execute(
        connection,
        "UPDATE chats SET state = 'ended', time_end = ?2
         WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting' AND time_start IS NOT NULL",
        &[ids.clone(), Value::Integer(now)],
    )?;
    for statement in [
        "INSERT INTO forgotten_participants (participant_id) SELECT value FROM json_each(?1) WHERE true
         ON CONFLICT DO NOTHING",
        "DELETE FROM messages WHERE chat_id IN (
             SELECT id FROM chats WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting')",
        "DELETE FROM chats WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting'",
        "DELETE FROM contacts WHERE participant_id IN (SELECT value FROM json_each(?1))",
        "UPDATE news SET delivery = json_replace(delivery, '$.frame.payload.participant.email', '',
                                                '$.frame.payload.participant.phoneNumber', '')
         WHERE delivery ->> '$.frame.payload.participant.id' IN (SELECT value FROM json_each(?1))",
    ] {
        execute(connection, statement, std::slice::from_ref(&ids))?;
    }
    Ok(())
}
