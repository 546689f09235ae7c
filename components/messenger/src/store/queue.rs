//! The queue: chats that wait.

use serde::Serialize;
use service::database::{DatabaseError, execute, query};
use service::internal::HelpRequest;
use spin_sdk::sqlite3::Connection;

use crate::store::json_list;

/// A press with the ids that it gets here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arrival {
    #[serde(flatten)]
    pub request: HelpRequest,
    pub chat_id: String,
    pub message_id: String,
    /// What becomes message 1; empty for none.
    pub first_message: String,
}

/// Lets presses wait. One that is known already changes nothing. To be called in a transaction.
pub(crate) fn enqueue(connection: &Connection, arrivals: &[Arrival]) -> Result<(), DatabaseError> {
    let list = json_list(&arrivals)?;
    execute(
        connection,
        "INSERT INTO chats (id, request_id, agency_id, event_id, participant_id, email, phone_number, lat_start, lng_start, state, pressed_at)
         SELECT value ->> 'chatId', value ->> 'id', value ->> 'agencyId', value ->> 'eventId', value ->> 'participantId',
                value ->> 'email', value ->> 'phoneNumber', value ->> 'lat', value ->> 'lng', 'waiting', value ->> 'pressedAt'
         FROM json_each(?1) WHERE true
         ON CONFLICT (request_id) DO NOTHING",
        std::slice::from_ref(&list),
    )?;
    execute(
        connection,
        "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
         SELECT c.id, 1, value ->> 'messageId', c.participant_id, 0, value ->> 'firstMessage', c.pressed_at
         FROM json_each(?1) JOIN chats c ON c.request_id = value ->> 'id'
         WHERE value ->> 'firstMessage' <> ''
         ON CONFLICT (chat_id, seq) DO NOTHING",
        &[list],
    )
}

/// For each request in the order given, how many wait before it in its agency's queue; `None` for one that does not wait.
pub(crate) fn positions(
    connection: &Connection,
    request_ids: &[&str],
) -> Result<Vec<Option<u32>>, DatabaseError> {
    query(
        connection,
        "SELECT CASE c.state WHEN 'waiting' THEN (
                    SELECT count(*) FROM chats q
                    WHERE q.agency_id = c.agency_id AND q.state = 'waiting' AND (q.pressed_at, q.id) < (c.pressed_at, c.id)
                ) END
         FROM json_each(?1) j LEFT JOIN chats c ON c.request_id = j.value ORDER BY j.key",
        &[json_list(&request_ids)?],
        |row| row.get(0),
    )
}
