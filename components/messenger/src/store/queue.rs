//! The queue of waiting chats.

use serde::Serialize;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::internal::{Amendment, HelpRequest};
use service::parameters;
use sidecar_api::{Queue, Waiting};
use spin_sdk::sqlite3::Value;

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
                               lat, lng, pressed_at, chat_id, message_id, first_message, received_at, kind, accuracy,
                               position_at, name, is_guest)
         SELECT value ->> 'id', value ->> 'agencyId', value ->> 'eventId', value ->> 'participantId',
                value ->> '$.contact.email', value ->> '$.contact.phoneNumber', value ->> '$.contact.version',
                value ->> 'lat', value ->> 'lng', value ->> 'pressedAt', value ->> 'chatId', value ->> 'messageId',
                value ->> 'firstMessage', value ->> 'receivedAt', value ->> 'kind', value ->> 'accuracy',
                value ->> 'positionAt', value ->> '$.contact.name',
                value ->> '$.contact.isGuest'
         FROM json_each(?1)",
        &[json_list(&arrivals)?],
    )
}

/// How much there is to do, in all agencies.
pub(crate) struct Load {
    pub waiting: i64,
    /// 0 if nobody waits.
    pub oldest_wait_seconds: i64,
    pub active: i64,
}

/// How much there is to do. The canary's chats do not count; all its ids are below 0. Reads the indexes of waiting and
/// of active chats, which hold nothing else.
pub(crate) fn load(connection: &Connection) -> Result<Load, DatabaseError> {
    let load = query_one(
        connection,
        concat!(
            "SELECT count(*), coalesce(max(0, (",
            now!(),
            " - min(pressed_at)) / 1000), 0),
                    (SELECT count(*) FROM chats WHERE state = 'active' AND organizer_id > 0)
             FROM chats WHERE state = 'waiting' AND agency_id > 0"
        ),
        &[],
        |row| {
            Ok(Load {
                waiting: row.get(0)?,
                oldest_wait_seconds: row.get(1)?,
                active: row.get(2)?,
            })
        },
    )?;
    load.ok_or_else(|| DatabaseError("there is no load".to_owned()))
}

/// A request that is not closed.
pub(crate) struct Open {
    pub place: Place,
    /// `None` before an organizer has had it.
    pub chat_id: Option<String>,
    pub kind: Option<String>,
    /// Message 1; empty when there is none, or when it is no description.
    pub first_message: String,
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
) -> Result<Vec<Option<Open>>, DatabaseError> {
    query(
        connection,
        "SELECT c.agency_id, iif(c.time_start IS NULL, NULL, c.id), c.kind,
                (SELECT content FROM messages WHERE chat_id = c.id AND seq = 1 AND from_organizer = 0),
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
            let first_message: Option<String> = row.get(3)?;
            let ahead: Option<u32> = row.get(4)?;
            Ok(Some(Open {
                place: ahead.map_or(Place::Active, |ahead| Place::Waiting { agency_id, ahead }),
                chat_id: row.get(1)?,
                kind: row.get(2)?,
                first_message: first_message.unwrap_or_default(),
            }))
        },
    )
}

/// What can be amended of a request.
pub(crate) struct Amendable {
    pub kind: Option<String>,
    /// Empty when there is none.
    pub first_message: String,
    /// Whether an organizer has, or had, the request.
    pub is_started: bool,
}

/// A request, to be amended in this transaction. `None` when it is not known.
pub(crate) fn find_amendable(
    connection: &Connection,
    request_id: &str,
) -> Result<Option<Amendable>, DatabaseError> {
    query_one(
        connection,
        "SELECT kind, (SELECT content FROM messages WHERE chat_id = chats.id AND seq = 1), time_start IS NOT NULL
         FROM chats WHERE request_id = ?1",
        parameters![request_id],
        |row| {
            let first_message: Option<String> = row.get(1)?;
            Ok(Amendable {
                kind: row.get(0)?,
                first_message: first_message.unwrap_or_default(),
                is_started: row.get(2)?,
            })
        },
    )
}

/// Stores what a request says now, and its new position, if there is one. `message_id` is for message 1 if there was
/// none; an empty `first_message` is none. To be called in a transaction.
pub(crate) fn amend(
    connection: &Connection,
    amendment: &Amendment,
    kind: Option<&str>,
    message_id: &str,
    first_message: &str,
) -> Result<(), DatabaseError> {
    let request_id = amendment.request_id.as_str();
    execute(
        connection,
        "UPDATE chats SET kind = ?2 WHERE request_id = ?1",
        parameters![request_id, kind],
    )?;
    if amendment.lat.is_some() && amendment.lng.is_some() {
        execute(
            connection,
            "UPDATE chats SET lat_start = ?2, lng_start = ?3, accuracy_start = ?4, position_at_start = ?5
             WHERE request_id = ?1",
            parameters![
                request_id,
                amendment.lat,
                amendment.lng,
                amendment.accuracy,
                amendment.position_at
            ],
        )?;
    }
    execute(
        connection,
        "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
         SELECT id, 1, ?2, participant_id, 0, ?3, pressed_at FROM chats WHERE request_id = ?1 AND ?3 <> ''
         ON CONFLICT (chat_id, seq) DO UPDATE SET content = excluded.content",
        parameters![request_id, message_id, first_message],
    )
}

/// The mean seconds from the arrival of the press to pickup of an agency's last ten pickups, the latest weighted ten
/// times as much as the tenth. `None` when there were none lately.
pub(crate) fn estimate(connection: &Connection, agency_id: i64) -> Result<Option<u32>, DatabaseError> {
    let mean = query_one(
        connection,
        concat!(
            "SELECT CAST(round(sum(weight * wait) / sum(weight) / 1000.0) AS INTEGER)
             FROM (SELECT 11 - row_number() OVER (ORDER BY time_start DESC, arrival DESC) AS weight,
                          max(time_start - arrived_at, 0) * 1.0 AS wait
                   FROM (SELECT arrival, time_start, coalesce(received_at, pressed_at) AS arrived_at FROM chats
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

/// Some of the requests that wait for one of these agencies.
pub(crate) fn waiting_for(
    connection: &Connection,
    agency_ids: &[i64],
    limit: i64,
) -> Result<Vec<String>, DatabaseError> {
    query(
        connection,
        "SELECT request_id FROM chats
         WHERE agency_id IN (SELECT value FROM json_each(?1)) AND state = 'waiting' LIMIT ?2",
        &[json_list(&agency_ids)?, Value::Integer(limit)],
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

/// The queues whose estimate has just changed because a pickup became too old. Ticks come every second or two; this
/// looks back five seconds, so that a late tick misses none.
pub(crate) fn with_new_estimates(connection: &Connection) -> Result<Vec<i64>, DatabaseError> {
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
