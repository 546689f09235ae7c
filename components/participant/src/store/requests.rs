//! Open requests: the lock that each holds, and the outbox that remembers those the messenger has not confirmed.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, Row, execute, query, query_one};
use service::internal::{Contact, HelpRequest};
use service::parameters;
use service::position::Position;
use service::retry;

/// A press as it came in.
pub(crate) struct Press<'a> {
    pub participant_id: i64,
    pub event_id: i64,
    pub agency_id: i64,
    pub description: &'a str,
    pub position: Option<Position>,
}

/// Stores the press in the outbox, due at once and pressed now by the database's clock; a trigger takes the lock with
/// it. False, and nothing is changed, when the participant has an open request for the event already, or was signed out
/// after `issued_at` or removed.
pub(crate) fn open(
    connection: &Connection,
    request_id: &str,
    press: &Press,
    issued_at: Millis,
) -> Result<bool, DatabaseError> {
    // One statement rather than a transaction: in a storm of presses everybody waits for the write lock.
    let opened = query_one(
        connection,
        &format!(
            "INSERT INTO outbox
                 (request_id, participant_id, event_id, agency_id, pressed_at, description, lat, lng, due_at)
             SELECT ?1, id, ?3, ?4, {NOW}, ?5, ?6, ?7, {NOW} FROM participants
             WHERE id = ?2 AND time_sign_out <= ?8
               AND NOT EXISTS (SELECT 1 FROM locks WHERE participant_id = ?2 AND event_id = ?3)
             RETURNING 1"
        ),
        parameters![
            request_id,
            press.participant_id,
            press.event_id,
            press.agency_id,
            press.description,
            press.position.map(|position| position.lat),
            press.position.map(|position| position.lng),
            issued_at,
        ],
        |row| row.get::<i64>(0),
    )?;
    Ok(opened.is_some())
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

/// Releases the lock of a request that has been taken back, and drops its delivery. To be called in a transaction.
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

/// Takes the presses whose delivery is due, the oldest ones if there are more than `limit`. Nobody else takes them for
/// `taken_for`. The account's present contact details go with each.
pub(crate) fn take_due(
    connection: &Connection,
    limit: i64,
    taken_for: Millis,
) -> Result<Vec<HelpRequest>, DatabaseError> {
    do_not_wait_for_the_disk(connection);
    query(
        connection,
        &format!(
            "UPDATE outbox SET due_at = {NOW} + ?2
             WHERE request_id IN (SELECT request_id FROM outbox WHERE due_at <= {NOW} ORDER BY due_at LIMIT ?1)
             RETURNING request_id, participant_id, event_id, agency_id, pressed_at, description, lat, lng,
                 (SELECT email FROM participants WHERE id = participant_id),
                 (SELECT phone_number FROM participants WHERE id = participant_id),
                 (SELECT contact_version FROM participants WHERE id = participant_id)"
        ),
        parameters![limit, taken_for],
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

/// What the connection commits from now on may be lost with the power, though not with the program. That is good enough
/// for who delivers what: at worst it is delivered once more, which changes nothing. A database that is a server
/// refuses the statement, and decides by itself what it waits for.
fn do_not_wait_for_the_disk(connection: &Connection) {
    let _ = execute(connection, "PRAGMA synchronous = NORMAL", &[]);
}

/// Notes that presses could not be delivered; the next try is later.
pub(crate) fn postpone(connection: &Connection, ids: &[String]) -> Result<(), DatabaseError> {
    retry::postpone(connection, "outbox", "request_id", ids)
}

fn decode(row: &Row) -> Result<HelpRequest, DatabaseError> {
    Ok(HelpRequest {
        id: row.get(0)?,
        participant_id: row.get(1)?,
        event_id: row.get(2)?,
        agency_id: row.get(3)?,
        pressed_at: row.get(4)?,
        description: row.get(5)?,
        lat: row.get(6)?,
        lng: row.get(7)?,
        contact: Contact {
            email: row.get(8)?,
            phone_number: row.get(9)?,
            version: row.get(10)?,
        },
    })
}
