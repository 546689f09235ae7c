//! Contact details of participants.

use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::internal::ContactChange;
use service::parameters;
use spin_sdk::sqlite3::Value;

use crate::notes::GUEST_SIGNED_IN;
use crate::store::json_list;

/// Updates contact details. Older versions and participants who were forgotten are ignored.
pub(crate) fn update(connection: &Connection, changes: &[ContactChange]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO contacts (participant_id, email, phone_number, version, name, is_guest)
         SELECT value ->> 'participantId', value ->> '$.contact.email', value ->> '$.contact.phoneNumber',
                value ->> '$.contact.version', value ->> '$.contact.name',
                value ->> '$.contact.isGuest'
         FROM json_each(?1)
         WHERE value ->> 'participantId' NOT IN (SELECT participant_id FROM forgotten_participants)
         ON CONFLICT (participant_id) DO UPDATE
         SET email = excluded.email, phone_number = excluded.phone_number, version = excluded.version,
             name = excluded.name, is_guest = excluded.is_guest
         WHERE excluded.version > version",
        &[json_list(&changes)?],
    )
}

/// Forgets participants: deletes their contact details, also from the notes that guests have signed in, and takes their
/// requests out of the queues. Call it in a transaction.
pub(crate) fn forget(connection: &Connection, participant_ids: &[i64]) -> Result<(), DatabaseError> {
    let ids = json_list(&participant_ids)?;
    for statement in [
        concat!(
            "UPDATE chats SET state = 'ended', time_end = ",
            now!(),
            " WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting'
               AND time_start IS NOT NULL"
        ),
        "INSERT INTO forgotten_participants (participant_id) SELECT value FROM json_each(?1) WHERE true
         ON CONFLICT DO NOTHING",
        "DELETE FROM messages WHERE chat_id IN (
             SELECT id FROM chats WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting')",
        "DELETE FROM chats WHERE participant_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting'",
        "DELETE FROM contacts WHERE participant_id IN (SELECT value FROM json_each(?1))",
        "DELETE FROM hand_overs WHERE guest_id IN (SELECT value FROM json_each(?1))",
    ] {
        execute(connection, statement, std::slice::from_ref(&ids))?;
    }
    execute(
        connection,
        "UPDATE messages SET content = ?2 || '.'
         WHERE chat_id IN (SELECT id FROM chats WHERE participant_id IN (SELECT value FROM json_each(?1)))
           AND is_system = 1 AND content GLOB ?2 || ' as *'",
        &[ids, Value::Text(GUEST_SIGNED_IN.to_owned())],
    )
}

/// The tables that keep frames for a while: the log, and the replies of each sidecar's last exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    Updates,
    Replies,
}

/// The kept texts that contain `part`, with their rows.
pub(crate) fn kept_texts(
    connection: &Connection,
    kept: Kept,
    part: &str,
) -> Result<Vec<(i64, String)>, DatabaseError> {
    let statement = match kept {
        Kept::Updates => "SELECT id, body FROM updates WHERE instr(body, ?1) > 0",
        Kept::Replies => "SELECT rowid, replies FROM sidecars WHERE instr(replies, ?1) > 0",
    };
    query(connection, statement, parameters![part], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Replaces a kept text.
pub(crate) fn replace_kept_text(
    connection: &Connection,
    kept: Kept,
    row: i64,
    text: String,
) -> Result<(), DatabaseError> {
    let statement = match kept {
        Kept::Updates => "UPDATE updates SET body = ?2 WHERE id = ?1",
        Kept::Replies => "UPDATE sidecars SET replies = ?2 WHERE rowid = ?1",
    };
    execute(connection, statement, &[Value::Integer(row), Value::Text(text)])
}

/// Whether a kept text may still name a participant: a chat of theirs was open or assigned recently.
pub(crate) fn was_shown_lately(connection: &Connection, participant_id: i64) -> Result<bool, DatabaseError> {
    let shown = query_one(
        connection,
        concat!(
            "SELECT 1 FROM chats WHERE participant_id = ?1 AND time_start IS NOT NULL
               AND (state <> 'ended' OR coalesce(time_end, 0) >= ",
            now!(),
            " - 3600000) LIMIT 1"
        ),
        parameters![participant_id],
        |row| row.get::<i64>(0),
    )?;
    Ok(shown.is_some())
}
