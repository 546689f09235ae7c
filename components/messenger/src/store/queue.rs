//! The queue of waiting chats.

use serde::Serialize;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::internal::HelpRequest;
use service::parameters;
use sidecar_api::{Queue, Waiting};

use crate::store::json_list;

/// How far back pickups count for the estimate.
const LATELY: Millis = 10 * 60 * 1000;

/// A press that was not delivered within this time is lost.
const ON_THE_WAY: Millis = 30 * 24 * 60 * 60 * 1000;

/// A press with the ids that it gets here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arrival {
    #[serde(flatten)]
    pub request: HelpRequest,
    pub chat_id: String,
    pub message_id: String,
    /// The text of message 1; empty for none.
    pub first_message: String,
}

/// Queues presses. A known press changes nothing. A press that was taken back, or whose participant is gone, is not
/// queued, and its lock is released (the trigger `arrival`).
pub(crate) fn enqueue(connection: &Connection, arrivals: &[Arrival]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version,
                               lat, lng, pressed_at, chat_id, message_id, first_message)
         SELECT value ->> 'id', value ->> 'agencyId', value ->> 'eventId', value ->> 'participantId',
                value ->> '$.contact.email', value ->> '$.contact.phoneNumber', value ->> '$.contact.version',
                value ->> 'lat', value ->> 'lng', value ->> 'pressedAt', value ->> 'chatId', value ->> 'messageId',
                value ->> 'firstMessage'
         FROM json_each(?1)",
        &[json_list(&arrivals)?],
    )
}

/// The place of a request that is not closed.
pub(crate) enum Place {
    Waiting {
        agency_id: i64,
        /// How many requests precede it in its agency's queue.
        ahead: u32,
    },
    Active,
}

/// The place of each request, in the order given; `None` for one that is closed or unknown.
pub(crate) fn places(
    connection: &Connection,
    request_ids: &[&str],
) -> Result<Vec<Option<Place>>, DatabaseError> {
    query(
        connection,
        "SELECT c.agency_id,
                CASE c.state WHEN 'waiting' THEN (
                    SELECT count(*) FROM chats q
                    WHERE q.agency_id = c.agency_id AND q.state = 'waiting'
                      AND (q.pressed_at, q.arrival) < (c.pressed_at, c.arrival)
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

/// The mean seconds from press to pickup of an agency's last ten pickups, the latest weighted ten times as much as the
/// tenth. `None` when there were none lately.
pub(crate) fn estimate(connection: &Connection, agency_id: i64) -> Result<Option<u32>, DatabaseError> {
    let mean = query_one(
        connection,
        concat!(
            "SELECT CAST(round(sum(weight * wait) / sum(weight) / 1000.0) AS INTEGER)
             FROM (SELECT 11 - row_number() OVER (ORDER BY time_start DESC, arrival DESC) AS weight,
                          max(time_start - pressed_at, 0) * 1.0 AS wait
                   FROM (SELECT arrival, time_start, pressed_at FROM chats
                         WHERE agency_id = ?1 AND time_start >= ",
            now!(),
            " - ?2 ORDER BY time_start DESC, arrival DESC LIMIT 10))"
        ),
        parameters![agency_id, LATELY],
        |row| row.get(0),
    )?;
    Ok(mean.flatten())
}

/// The agencies with waiting requests.
pub(crate) fn busy(connection: &Connection) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT DISTINCT agency_id FROM chats WHERE state = 'waiting'",
        &[],
        |row| row.get(0),
    )
}

/// An agency's queue.
pub(crate) fn queue(connection: &Connection, agency_id: i64) -> Result<Queue, DatabaseError> {
    let waiting = query(
        connection,
        concat!(
            "SELECT participant_id, event_id, max(",
            now!(),
            " - pressed_at, 0) FROM chats WHERE agency_id = ?1 AND state = 'waiting' ORDER BY pressed_at, arrival"
        ),
        parameters![agency_id],
        |row| {
            Ok(Waiting {
                participant_id: row.get(0)?,
                event_id: row.get(1)?,
                waited: row.get(2)?,
            })
        },
    )?;
    Ok(Queue {
        agency_id,
        waiting,
        estimate: estimate(connection, agency_id)?,
    })
}

/// The queues whose estimate has just changed because a pickup became too old. Ticks come every second; this looks back
/// five seconds, so that a late tick misses none.
pub(crate) fn estimated_anew(connection: &Connection) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT agency_id FROM (SELECT DISTINCT agency_id FROM chats WHERE state = 'waiting') q, (SELECT ",
            now!(),
            " - ?1 AS since)
             WHERE EXISTS (SELECT 1 FROM chats c
                           WHERE c.agency_id = q.agency_id AND c.time_start >= since - 5000 AND c.time_start < since)"
        ),
        parameters![LATELY],
        |row| row.get(0),
    )
}

/// Takes a request out of its queue, or keeps it out if it has not arrived, and adds a release of its lock. Returns
/// false and changes nothing if an organizer has taken it. Call it in a transaction.
pub(crate) fn cancel(connection: &Connection, request_id: &str) -> Result<bool, DatabaseError> {
    let taken = query_one(
        connection,
        "SELECT 1 FROM chats WHERE request_id = ?1 AND state <> 'waiting'",
        parameters![request_id],
        |row| row.get::<i64>(0),
    )?;
    if taken.is_some() {
        return Ok(false);
    }
    for statement in [
        concat!(
            "INSERT INTO cancelled_requests (request_id, cancelled_at) VALUES (?1, ",
            now!(),
            ") ON CONFLICT DO NOTHING"
        ),
        concat!(
            "INSERT INTO lock_releases (request_id, participant_id, event_id, due_at, must_announce)
             SELECT request_id, participant_id, event_id, ",
            now!(),
            ", 0 FROM chats WHERE request_id = ?1
             ON CONFLICT DO NOTHING"
        ),
        // A chat that an organizer has seen stays in the archive. A request that no organizer has seen is deleted.
        concat!(
            "UPDATE chats SET state = 'ended', time_end = ",
            now!(),
            " WHERE request_id = ?1 AND time_start IS NOT NULL"
        ),
        "DELETE FROM messages WHERE chat_id = (SELECT id FROM chats WHERE request_id = ?1 AND time_start IS NULL)",
        "DELETE FROM chats WHERE request_id = ?1 AND time_start IS NULL",
    ] {
        execute(connection, statement, parameters![request_id])?;
    }
    Ok(true)
}

/// Deletes cancellations so old that none of their presses can still arrive.
pub(crate) fn forget_cancelled(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "DELETE FROM cancelled_requests WHERE cancelled_at < ",
            now!(),
            " - ?1"
        ),
        parameters![ON_THE_WAY],
    )
}
