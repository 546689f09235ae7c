//! Open requests: the lock that each holds, and the outbox that remembers those the messenger has not confirmed.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, NOW, Row, execute, query, query_one};
use service::internal::{ClosedRequest, Contact, HelpRequest};
use service::parameters;
use service::position::Position;
use service::retry;

use super::known_events::{self, KnownEvent};
use super::participants::{self, Participant};

/// A press as it came in.
pub(crate) struct Press<'a> {
    pub participant_id: i64,
    pub event_id: i64,
    pub agency_id: i64,
    pub description: &'a str,
    pub position: Option<Position>,
    pub details: &'a Details,
}

/// What a press may say besides.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// The client's key: the same press, sent again, has the same. In lower case.
    pub client_id: Option<String>,
    /// When the phone says that it was pressed.
    pub pressed_at: Option<Millis>,
    pub kind: Option<String>,
    /// Of the position: metres, and when it was measured.
    pub accuracy: Option<f64>,
    pub position_at: Option<Millis>,
}

/// A press that is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub request_id: String,
    pub event_id: i64,
    pub client_id: Option<String>,
    /// What counts for the queue.
    pub pressed_at: Millis,
    pub received_at: Millis,
    /// Whether its lock was released.
    pub has_ended: bool,
}

/// How far back a claimed time of press counts.
const LONGEST_CLAIM: Millis = 15 * 60 * 1000;

/// Stores the press in the outbox; a trigger takes the lock with it. It is pressed now by the database's clock, or when
/// the phone claims, which is not long ago and not in the future. `None`, and nothing is changed, when the participant
/// has an open request for the event already, has sent this press before, or was removed or signed out since
/// `time_sign_out` was read.
///
/// If a delivery is under way, the press is due at once, and the delivery takes it with its next round. Otherwise the
/// press is taken for a delivery by the caller, as by [`take_due`], and returned as well.
pub(crate) fn open(
    connection: &Connection,
    request_id: &str,
    press: &Press,
    time_sign_out: Millis,
) -> Result<Option<(Stored, Option<HelpRequest>)>, DatabaseError> {
    // One statement rather than a transaction: in a storm of presses everybody waits for the write lock.
    let (details, is_under_way) = (press.details, is_delivery_under_way());
    query_one(
        connection,
        &format!(
            "INSERT INTO outbox
                 (request_id, participant_id, event_id, agency_id, description, lat, lng, pressed_at, received_at,
                  client_id, kind, accuracy, position_at, due_at)
             SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, min(max(coalesce(?9, {NOW}), {NOW} - {LONGEST_CLAIM}), {NOW}), {NOW},
                    ?10, ?11, ?12, min(?13, {NOW}), {NOW} + iif({is_under_way}, 0, {TAKEN_FOR})
             FROM participants
             WHERE id = ?2 AND time_sign_out = ?8
               AND NOT EXISTS (SELECT 1 FROM locks WHERE participant_id = ?2 AND event_id = ?3)
               AND NOT EXISTS (SELECT 1 FROM presses WHERE participant_id = ?2 AND client_id = ?10)
             RETURNING {COLUMNS}, client_id, due_at > received_at"
        ),
        parameters![
            request_id,
            press.participant_id,
            press.event_id,
            press.agency_id,
            press.description,
            press.position.map(|position| position.lat),
            press.position.map(|position| position.lng),
            time_sign_out,
            details.pressed_at,
            details.client_id.as_deref(),
            details.kind.as_deref(),
            details.accuracy,
            details.position_at,
        ],
        |row| {
            let request = decode(&row)?;
            let stored = Stored {
                request_id: request.id.clone(),
                event_id: request.event_id,
                client_id: row.get(17)?,
                pressed_at: request.pressed_at,
                received_at: request.received_at.unwrap_or(request.pressed_at),
                has_ended: false,
            };
            let is_taken: bool = row.get(18)?;
            Ok((stored, is_taken.then_some(request)))
        },
    )
}

/// How long a press belongs to the delivery that has taken it: longer than that may take.
const TAKEN_FOR: Millis = 5_000;

/// In SQL, whether a delivery has just taken presses: it will find what becomes due until it has ended. One that takes
/// longer than a second has trouble, and nobody counts on it. One from before the clock was set back does not count.
fn is_delivery_under_way() -> String {
    format!(
        "EXISTS (SELECT 1 FROM outbox
                 WHERE attempts = 0 AND due_at > {NOW} + {TAKEN_FOR} - 1000 AND due_at <= {NOW} + {TAKEN_FOR})"
    )
}

/// What has to be known before a press is stored.
#[derive(Default)]
pub(crate) struct Before {
    /// Of who presses, if it is still there.
    pub account: Option<Participant>,
    pub known_event: Option<KnownEvent>,
    /// The press that the participant has sent with the same key, open or not.
    pub same_press: Option<Stored>,
}

/// Asks all that in one statement: in a storm of presses each question counts.
pub(crate) fn before(
    connection: &Connection,
    participant_id: i64,
    event_id: i64,
    client_id: Option<&str>,
) -> Result<Before, DatabaseError> {
    let before = query_one(
        connection,
        &format!(
            "SELECT account.*, event.agency_id, event.age, event.amid_presses,
                    press.request_id, press.event_id, press.client_id, press.pressed_at, press.received_at,
                    press.ended_at IS NOT NULL
             FROM (SELECT {account} FROM participants WHERE id = ?1) AS account
             LEFT JOIN (SELECT {event} FROM known_events WHERE id = ?2) AS event
             LEFT JOIN presses AS press ON press.participant_id = ?1 AND press.client_id = ?3",
            account = participants::COLUMNS,
            event = known_events::columns(),
        ),
        parameters![participant_id, event_id, client_id],
        |row| {
            let request_id: Option<String> = row.get(10)?;
            let same_press = |request_id| {
                Ok::<_, DatabaseError>(Stored {
                    request_id,
                    event_id: row.get(11)?,
                    client_id: row.get(12)?,
                    pressed_at: row.get(13)?,
                    received_at: row.get(14)?,
                    has_ended: row.get(15)?,
                })
            };
            Ok(Before {
                account: Some(participants::decode(&row)?),
                known_event: known_events::decode(&row, 7)?,
                same_press: request_id.map(same_press).transpose()?,
            })
        },
    )?;
    Ok(before.unwrap_or_default())
}

/// The most keys of presses that one tick forgets.
const MOST_FORGOTTEN: i64 = 500;

/// Forgets the keys of presses that ended so long ago that no phone sends them again.
pub(crate) fn forget_ended(connection: &Connection, age: Millis) -> Result<(), DatabaseError> {
    let condition = format!("ended_at < {NOW} - ?1");
    // Reading first spares the write lock, for which others may be waiting.
    let old = query_one(
        connection,
        &format!("SELECT 1 FROM presses WHERE {condition} LIMIT 1"),
        parameters![age],
        |row| row.get::<i64>(0),
    )?;
    match old {
        Some(_) => execute(
            connection,
            &format!(
                "DELETE FROM presses
                 WHERE request_id IN (SELECT request_id FROM presses WHERE {condition} LIMIT {MOST_FORGOTTEN})"
            ),
            parameters![age],
        ),
        None => Ok(()),
    }
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
    pub client_id: Option<String>,
    /// `None` where the release before took the press.
    pub times: Option<Times>,
    /// What the request says, if the messenger has not confirmed it.
    pub on_its_way: Option<Said>,
}

/// When a press was made.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// What counts for the queue.
    pub pressed_at: Millis,
    pub received_at: Millis,
}

/// What a request says.
pub(crate) struct Said {
    pub kind: Option<String>,
    /// May be empty.
    pub description: String,
}

/// The locks that a participant's requests hold, by ascending event id, and of an event the oldest first.
pub(crate) fn of_participant(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<Lock>, DatabaseError> {
    query(
        connection,
        "SELECT l.event_id, l.request_id, p.client_id, p.pressed_at, p.received_at, o.kind, o.description
         FROM locks l
         LEFT JOIN presses p ON p.request_id = l.request_id
         LEFT JOIN outbox o ON o.request_id = l.request_id
         WHERE l.participant_id = ?1 ORDER BY l.event_id, l.request_id",
        parameters![participant_id],
        |row| {
            let (pressed_at, received_at): (Option<Millis>, Option<Millis>) = (row.get(3)?, row.get(4)?);
            let description: Option<String> = row.get(6)?;
            let said = |description| {
                Ok::<_, DatabaseError>(Said {
                    kind: row.get(5)?,
                    description,
                })
            };
            Ok(Lock {
                event_id: row.get(0)?,
                request_id: row.get(1)?,
                client_id: row.get(2)?,
                times: pressed_at
                    .zip(received_at)
                    .map(|(pressed_at, received_at)| Times {
                        pressed_at,
                        received_at,
                    }),
                on_its_way: description.map(said).transpose()?,
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

/// Releases the lock of a request, if that request still holds it, whoever has the request by now; without an id,
/// whichever request of the participant holds it.
pub(crate) fn release(
    connection: &Connection,
    participant_id: i64,
    event_id: i64,
    request_id: Option<&str>,
) -> Result<(), DatabaseError> {
    match request_id {
        Some(request_id) => execute(
            connection,
            "DELETE FROM locks WHERE request_id = ?1 AND event_id = ?2",
            parameters![request_id, event_id],
        ),
        None => execute(
            connection,
            "DELETE FROM locks WHERE participant_id = ?1 AND event_id = ?2",
            parameters![participant_id, event_id],
        ),
    }
}

/// Releases the locks of closed requests, as [`release`] does, all of them with one statement: the messenger waits a
/// second, and each statement may be a round trip.
pub(crate) fn release_all(connection: &Connection, closed: &[ClosedRequest]) -> Result<(), DatabaseError> {
    let closed = serde_json::to_string(closed).map_err(|error| DatabaseError(error.to_string()))?;
    execute(
        connection,
        "DELETE FROM locks
         WHERE (request_id, event_id) IN (SELECT value ->> 'requestId', value ->> 'eventId' FROM json_each(?1))",
        parameters![closed],
    )
}

/// Takes the presses whose delivery is due, the oldest ones if there are more than `limit`. Nobody else takes them for
/// a while.
pub(crate) fn take_due(connection: &Connection, limit: i64) -> Result<Vec<HelpRequest>, DatabaseError> {
    query(
        connection,
        &format!(
            "UPDATE outbox SET due_at = {NOW} + {TAKEN_FOR}
             WHERE request_id IN (SELECT request_id FROM outbox WHERE {is_due} ORDER BY due_at LIMIT ?1)
             RETURNING {COLUMNS}",
            is_due = retry::is_due(),
        ),
        parameters![limit],
        |row| decode(&row),
    )
}

/// Forgets presses that the messenger has stored. Returns whether others have become due.
pub(crate) fn delivered(connection: &Connection, ids: &[String]) -> Result<bool, DatabaseError> {
    let ids = serde_json::Value::from(ids.to_vec()).to_string();
    let are_due = query_one(
        connection,
        &format!(
            "DELETE FROM outbox WHERE request_id IN (SELECT value FROM json_each(?1))
             RETURNING EXISTS (SELECT 1 FROM outbox WHERE {is_due})",
            is_due = retry::is_due(),
        ),
        parameters![ids],
        |row| row.get(0),
    )?;
    Ok(are_due.unwrap_or_default())
}

/// Notes that presses could not be delivered; the next try is later.
pub(crate) fn postpone(connection: &Connection, ids: &[String]) -> Result<(), DatabaseError> {
    retry::postpone(connection, "outbox", "request_id", ids)
}

/// What [`decode`] reads. The account's present contact details go with each press.
const COLUMNS: &str = "request_id, participant_id, event_id, agency_id, pressed_at, description, lat, lng,
    (SELECT email FROM participants WHERE id = participant_id),
    (SELECT phone_number FROM participants WHERE id = participant_id),
    (SELECT contact_version FROM participants WHERE id = participant_id),
    (SELECT name FROM participants WHERE id = participant_id),
    received_at, kind, accuracy, position_at,
    (SELECT is_guest FROM participants WHERE id = participant_id)";

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
            name: row.get(11)?,
            is_guest: row.get(16)?,
        },
        received_at: row.get(12)?,
        kind: row.get(13)?,
        accuracy: row.get(14)?,
        position_at: row.get(15)?,
    })
}
