//! Open requests: the lock that each holds, and the outbox that remembers those the messenger has not confirmed.

use service::clock::Millis;
use service::database::{DatabaseError, Row, execute, query, query_one};
use service::internal::HelpRequest;
use service::parameters;
use spin_sdk::sqlite3::Connection;

/// A press whose delivery is due.
#[derive(Debug)]
pub(crate) struct Due {
    pub request: HelpRequest,
    /// How often its delivery has failed.
    pub attempts: i64,
}

/// Takes the lock and notes the press in the outbox, due at `due_at`; false, and nothing is changed, when the participant has an open
/// request for the event already. To be called in a transaction.
pub(crate) fn open(
    connection: &Connection,
    request: &HelpRequest,
    due_at: Millis,
) -> Result<bool, DatabaseError> {
    let locked = query_one(
        connection,
        "INSERT INTO locks (participant_id, event_id, request_id) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING RETURNING 1",
        parameters![request.participant_id, request.event_id, &request.id],
        |row| row.get::<i64>(0),
    )?;
    if locked.is_none() {
        return Ok(false);
    }
    execute(
        connection,
        "INSERT INTO outbox (request_id, participant_id, event_id, agency_id, pressed_at, description, lat, lng, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        parameters![
            &request.id,
            request.participant_id,
            request.event_id,
            request.agency_id,
            request.pressed_at,
            &request.description,
            request.lat,
            request.lng,
            due_at,
        ],
    )?;
    Ok(true)
}

/// Whether a participant has an open request for an event.
pub(crate) fn is_open(
    connection: &Connection,
    participant_id: i64,
    event_id: i64,
) -> Result<bool, DatabaseError> {
    let open = query_one(
        connection,
        "SELECT 1 FROM locks WHERE participant_id = ?1 AND event_id = ?2",
        parameters![participant_id, event_id],
        |row| row.get::<i64>(0),
    )?;
    Ok(open.is_some())
}

/// A lock that a request holds.
pub(crate) struct Lock {
    pub event_id: i64,
    pub request_id: String,
    /// Whether the messenger has not confirmed the request.
    pub is_on_its_way: bool,
}

/// The locks that a participant's requests hold, by ascending event id.
pub(crate) fn of_participant(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<Lock>, DatabaseError> {
    query(
        connection,
        "SELECT l.event_id, l.request_id, o.request_id IS NOT NULL
         FROM locks l LEFT JOIN outbox o ON o.request_id = l.request_id
         WHERE l.participant_id = ?1 ORDER BY l.event_id",
        parameters![participant_id],
        |row| {
            Ok(Lock {
                event_id: row.get(0)?,
                request_id: row.get(1)?,
                is_on_its_way: row.get(2)?,
            })
        },
    )
}

/// Releases the lock of a request that has been taken back, and forgets to deliver it. To be called in a transaction.
pub(crate) fn withdraw(
    connection: &Connection,
    participant_id: i64,
    event_id: i64,
    request_id: &str,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM outbox WHERE request_id = ?1",
        parameters![request_id],
    )?;
    release(connection, participant_id, event_id, Some(request_id))
}

/// Releases the lock of a request, if that request still holds it; without an id, whichever request holds it.
pub(crate) fn release(
    connection: &Connection,
    participant_id: i64,
    event_id: i64,
    request_id: Option<&str>,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM locks
         WHERE participant_id = ?1 AND event_id = ?2 AND (?3 IS NULL OR request_id = ?3)",
        parameters![participant_id, event_id, request_id],
    )
}

/// The presses whose delivery is due, the oldest first. The account's present contact details go with each.
pub(crate) fn due(connection: &Connection, now: Millis, limit: i64) -> Result<Vec<Due>, DatabaseError> {
    query(
        connection,
        "SELECT o.request_id, o.participant_id, o.event_id, o.agency_id, o.pressed_at, o.description, o.lat, o.lng,
                coalesce(p.email, ''), coalesce(p.phone_number, ''), o.attempts
         FROM outbox o LEFT JOIN participants p ON p.id = o.participant_id
         WHERE o.due_at <= ?1 ORDER BY o.due_at LIMIT ?2",
        parameters![now, limit],
        |row| decode(&row),
    )
}

/// Forgets presses that the messenger has stored.
pub(crate) fn delivered(connection: &Connection, ids: &[String]) -> Result<(), DatabaseError> {
    let ids = serde_json::Value::from(ids.to_vec()).to_string();
    execute(
        connection,
        "DELETE FROM outbox WHERE request_id IN (SELECT value FROM json_each(?1))",
        parameters![ids],
    )
}

/// Notes a failed delivery and when to try next.
pub(crate) fn postpone(connection: &Connection, id: &str, due_at: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE outbox SET attempts = attempts + 1, due_at = ?2 WHERE request_id = ?1",
        parameters![id, due_at],
    )
}

fn decode(row: &Row) -> Result<Due, DatabaseError> {
    let request = HelpRequest {
        id: row.get(0)?,
        participant_id: row.get(1)?,
        event_id: row.get(2)?,
        agency_id: row.get(3)?,
        pressed_at: row.get(4)?,
        description: row.get(5)?,
        lat: row.get(6)?,
        lng: row.get(7)?,
        email: row.get(8)?,
        phone_number: row.get(9)?,
    };
    Ok(Due {
        request,
        attempts: row.get(10)?,
    })
}
