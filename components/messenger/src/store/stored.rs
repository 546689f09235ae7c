//! What is stored about a participant, for an export.

use service::database::{Connection, DatabaseError, query, query_one};
use service::internal::{Contact, StoredChat, StoredMessage};
use service::parameters;

use crate::store::messages;

/// The contact details that are stored here.
pub(crate) fn contact(
    connection: &Connection,
    participant_id: i64,
) -> Result<Option<Contact>, DatabaseError> {
    query_one(
        connection,
        "SELECT email, phone_number, name, is_guest, version FROM contacts WHERE participant_id = ?1",
        parameters![participant_id],
        |row| {
            Ok(Contact {
                email: row.get(0)?,
                phone_number: row.get(1)?,
                name: row.get(2)?,
                is_guest: row.get(3)?,
                version: row.get(4)?,
            })
        },
    )
}

/// The guests who have signed in to an account.
pub(crate) fn guest_ids(connection: &Connection, account_id: i64) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT guest_id FROM hand_overs WHERE account_id = ?1 ORDER BY guest_id",
        parameters![account_id],
        |row| row.get(0),
    )
}

/// The account that a guest has signed in to.
pub(crate) fn account_id(connection: &Connection, guest_id: i64) -> Result<Option<i64>, DatabaseError> {
    query_one(
        connection,
        "SELECT account_id FROM hand_overs WHERE guest_id = ?1",
        parameters![guest_id],
        |row| row.get(0),
    )
}

/// A participant's requests and chats from one arrival on, each with its arrival and without its messages.
pub(crate) fn chats(
    connection: &Connection,
    participant_id: i64,
    from_arrival: i64,
    limit: i64,
) -> Result<Vec<(i64, StoredChat)>, DatabaseError> {
    query(
        connection,
        "SELECT arrival, id, request_id, agency_id, event_id, state, kind, lat_start, lng_start, accuracy_start,
                position_at_start, pressed_at, received_at, organizer_id, organizer_name, time_start, time_end,
                has_been_requeued, read_by_participant
         FROM chats WHERE participant_id = ?1 AND arrival >= ?2 ORDER BY arrival LIMIT ?3",
        parameters![participant_id, from_arrival, limit],
        |row| {
            let chat = StoredChat {
                id: row.get(1)?,
                request_id: row.get(2)?,
                agency_id: row.get(3)?,
                event_id: row.get(4)?,
                state: row.get(5)?,
                kind: row.get(6)?,
                lat: row.get(7)?,
                lng: row.get(8)?,
                accuracy: row.get(9)?,
                position_at: row.get(10)?,
                pressed_at: row.get(11)?,
                received_at: row.get(12)?,
                organizer_id: row.get(13)?,
                organizer_name: row.get(14)?,
                time_start: row.get(15)?,
                time_end: row.get(16)?,
                has_been_requeued: row.get(17)?,
                read_by_participant: row.get(18)?,
                messages: Vec::new(),
            };
            Ok((row.get(0)?, chat))
        },
    )
}

/// A chat's messages after a number: as many as fit into `bytes`, at least one. Returns also about how many bytes they
/// have, and whether they are the last.
pub(crate) fn messages_after(
    connection: &Connection,
    chat_id: &str,
    seq: i64,
    bytes: i64,
) -> Result<(Vec<StoredMessage>, i64, bool), DatabaseError> {
    let found = messages::after(connection, chat_id, seq, None, bytes)?;
    let size = found.iter().map(messages::size).sum();
    let last = query_one(
        connection,
        "SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = ?1",
        parameters![chat_id],
        |row| row.get(0),
    )?;
    let reached = found.last().map_or(seq, |message| message.seq);
    let stored = found.into_iter().map(|message| StoredMessage {
        seq: message.seq,
        id: message.id,
        author_id: message.author_id,
        from_organizer: message.from_organizer,
        is_system: message.is_system,
        content: message.content,
        time_sent: message.time_sent,
        lat: message.lat,
        lng: message.lng,
        client_id: message.client_id,
    });
    Ok((stored.collect(), size, reached >= last.unwrap_or(0)))
}
