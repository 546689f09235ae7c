//! The queue: chats that wait.

use serde::Serialize;
use service::clock::Millis;
use service::database::{DatabaseError, execute, query, query_one};
use service::internal::HelpRequest;
use service::parameters;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::json_list;

/// A press that was not delivered in this time is gone.
const ON_THE_WAY: Millis = 30 * 24 * 60 * 60 * 1000;

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

/// Lets presses wait. One that is known already changes nothing, and neither does one that has been taken back or whose participant is
/// gone; what they lock is to be released (the trigger `arrival`).
pub(crate) fn enqueue(
    connection: &Connection,
    arrivals: &[Arrival],
    now: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version,
                               lat, lng, pressed_at, chat_id, message_id, first_message, now)
         SELECT value ->> 'id', value ->> 'agencyId', value ->> 'eventId', value ->> 'participantId', value ->> '$.contact.email',
                value ->> '$.contact.phoneNumber', value ->> '$.contact.version',
                value ->> 'lat', value ->> 'lng', value ->> 'pressedAt',
                value ->> 'chatId', value ->> 'messageId', value ->> 'firstMessage', ?2
         FROM json_each(?1)",
        &[json_list(&arrivals)?, Value::Integer(now)],
    )
}

/// Where a request is that is not closed.
pub(crate) enum Place {
    Waiting {
        agency_id: i64,
        /// How many wait before it in its agency's queue.
        ahead: u32,
    },
    Active,
}

/// Where each request is, in the order given; `None` for one that is closed or unknown.
pub(crate) fn places(
    connection: &Connection,
    request_ids: &[&str],
) -> Result<Vec<Option<Place>>, DatabaseError> {
    query(
        connection,
        "SELECT c.agency_id,
                CASE c.state WHEN 'waiting' THEN (
                    SELECT count(*) FROM chats q
                    WHERE q.agency_id = c.agency_id AND q.state = 'waiting' AND (q.pressed_at, q.id) < (c.pressed_at, c.id)
                ) END
         FROM json_each(?1) j LEFT JOIN chats c ON c.request_id = j.value AND c.state <> 'ended' ORDER BY j.key",
        &[json_list(&request_ids)?],
        |row| {
            let agency_id: Option<i64> = row.get(0)?;
            let Some(agency_id) = agency_id else {
                return Ok(None);
            };
            let ahead: Option<u32> = row.get(1)?;
            Ok(Some(ahead.map_or(Place::Active, |ahead| Place::Waiting { agency_id, ahead })))
        },
    )
}

/// How many seconds an agency's latest pickups took from the press, at most ten of them since `since`: their mean, in which the latest
/// weighs ten times as much as the tenth. `None` when there were none.
pub(crate) fn estimate(
    connection: &Connection,
    agency_id: i64,
    since: Millis,
) -> Result<Option<u32>, DatabaseError> {
    let mean = query_one(
        connection,
        "SELECT CAST(round(sum(weight * wait) / sum(weight) / 1000.0) AS INTEGER)
         FROM (SELECT 11 - row_number() OVER (ORDER BY time_start DESC, id DESC) AS weight,
                      max(time_start - pressed_at, 0) * 1.0 AS wait
               FROM (SELECT id, time_start, pressed_at FROM chats
                     WHERE agency_id = ?1 AND time_start >= ?2 ORDER BY time_start DESC, id DESC LIMIT 10))",
        parameters![agency_id, since],
        |row| row.get(0),
    )?;
    Ok(mean.flatten())
}

/// Takes a request out of its queue, or keeps it out before it arrives, and notes that its lock is to be released; false, and nothing is
/// changed, when an organizer has taken it. To be called in a transaction.
pub(crate) fn cancel(connection: &Connection, request_id: &str, now: Millis) -> Result<bool, DatabaseError> {
    let taken = query_one(
        connection,
        "SELECT 1 FROM chats WHERE request_id = ?1 AND state <> 'waiting'",
        parameters![request_id],
        |row| row.get::<i64>(0),
    )?;
    if taken.is_some() {
        return Ok(false);
    }
    execute(
        connection,
        "INSERT INTO cancelled_requests (request_id, cancelled_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        parameters![request_id, now],
    )?;
    execute(
        connection,
        "INSERT INTO outbox (request_id, participant_id, event_id, due_at)
         SELECT request_id, participant_id, event_id, ?2 FROM chats WHERE request_id = ?1
         ON CONFLICT DO NOTHING",
        parameters![request_id, now],
    )?;
    // What has been said to an organizer is on record; a request that nobody has seen yet leaves nothing.
    execute(
        connection,
        "UPDATE chats SET state = 'ended', time_end = ?2 WHERE request_id = ?1 AND time_start IS NOT NULL",
        parameters![request_id, now],
    )?;
    execute(
        connection,
        "DELETE FROM messages WHERE chat_id = (SELECT id FROM chats WHERE request_id = ?1 AND time_start IS NULL)",
        parameters![request_id],
    )?;
    execute(
        connection,
        "DELETE FROM chats WHERE request_id = ?1 AND time_start IS NULL",
        parameters![request_id],
    )?;
    Ok(true)
}

/// Forgets which requests were taken back so long ago that none of them can be on its way any more.
pub(crate) fn forget_cancelled(connection: &Connection, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM cancelled_requests WHERE cancelled_at < ?1",
        parameters![now - ON_THE_WAY],
    )
}
