//! Which organizers are there, who of them waits for a request, and whose chats nobody looks after.

use relay_protocol::Attendance;
use service::clock::Millis;
use service::database::{DatabaseError, execute, query};
use service::parameters;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::json_list;

/// A sidecar that has not been heard for so long may have lost its organizers.
const SILENCE: Millis = 5_000;

/// One that has not been heard for so long has lost them.
const LOST: Millis = 60_000;

/// Who was given a chat and is not seen for so long was not there any more. Clients are back sooner.
const UNSEEN: Millis = 10_000;

/// What is known of those who have gone is kept for so long.
const KEPT: Millis = 24 * 60 * 60 * 1000;

/// In SQL, whether it has been heard all the time since ?1, and lately (?2), who is there.
const HEARD: &str = "EXISTS (SELECT 1 FROM hearing WHERE since <= ?1 AND heard_at >= ?2)";

/// Notes who is at a sidecar, and that whoever else was there has gone. Who has gone from everywhere waits for no request any more. To be
/// called in a transaction.
pub(crate) fn note(
    connection: &Connection,
    sidecar: &str,
    organizers: &[Attendance],
    now: Millis,
) -> Result<(), DatabaseError> {
    let list = json_list(&organizers)?;
    execute(
        connection,
        "INSERT INTO hearing (id, since, heard_at) VALUES (1, ?1, ?1)
         ON CONFLICT (id) DO UPDATE SET since = iif(heard_at < ?1 - ?2, ?1, since), heard_at = max(heard_at, ?1)",
        parameters![now, SILENCE],
    )?;
    execute(
        connection,
        "INSERT INTO attendance (organizer_id, sidecar, agency_id, is_here, seen_at)
         SELECT value ->> 'organizerId', ?2, value ->> 'agencyId', 1, ?3 FROM json_each(?1) WHERE true
         ON CONFLICT (organizer_id, sidecar) DO UPDATE SET agency_id = excluded.agency_id, is_here = 1, seen_at = excluded.seen_at",
        &[list.clone(), Value::Text(sidecar.to_owned()), Value::Integer(now)],
    )?;
    // Limits may have changed since somebody asked to wait.
    execute(
        connection,
        "UPDATE waiting_organizers SET max_open_chats = value ->> 'maxOpenChats'
         FROM json_each(?1) WHERE organizer_id = value ->> 'organizerId'",
        std::slice::from_ref(&list),
    )?;
    let gone = query(
        connection,
        "UPDATE attendance SET is_here = 0, seen_at = ?3
         WHERE sidecar = ?2 AND is_here = 1
           AND organizer_id NOT IN (SELECT value ->> 'organizerId' FROM json_each(?1))
         RETURNING organizer_id",
        &[list, Value::Text(sidecar.to_owned()), Value::Integer(now)],
        |row| row.get::<i64>(0),
    )?;
    if gone.is_empty() {
        return Ok(());
    }
    execute(
        connection,
        "DELETE FROM waiting_organizers
         WHERE organizer_id IN (SELECT value FROM json_each(?1))
           AND NOT EXISTS (SELECT 1 FROM attendance a
                           WHERE a.organizer_id = waiting_organizers.organizer_id AND a.is_here = 1 AND a.seen_at >= ?2)",
        &[json_list(&gone)?, Value::Integer(now - SILENCE)],
    )
}

/// Lets an organizer wait for the next request.
pub(crate) fn wait(
    connection: &Connection,
    organizer_id: i64,
    agency_id: i64,
    max_open_chats: Option<i64>,
    now: Millis,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO waiting_organizers (organizer_id, agency_id, since, max_open_chats) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (organizer_id) DO UPDATE SET agency_id = excluded.agency_id, max_open_chats = excluded.max_open_chats",
        parameters![organizer_id, agency_id, now, max_open_chats],
    )
}

/// Lets an organizer wait no more.
pub(crate) fn stop_waiting(connection: &Connection, organizer_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM waiting_organizers WHERE organizer_id = ?1",
        parameters![organizer_id],
    )
}

/// An organizer who waits while a request of the agency does too.
pub(crate) struct Match {
    pub organizer_id: i64,
    pub agency_id: i64,
    pub max_open_chats: Option<i64>,
}

/// Organizers who are there and wait while requests do, those first who have waited longest. Who asked to wait a moment ago is there, even if the
/// sidecar has not said so yet.
pub(crate) fn matches(connection: &Connection, now: Millis) -> Result<Vec<Match>, DatabaseError> {
    query(
        connection,
        "SELECT organizer_id, agency_id, max_open_chats FROM waiting_organizers w
         WHERE EXISTS (SELECT 1 FROM chats c WHERE c.agency_id = w.agency_id AND c.state = 'waiting')
           AND (since >= ?1 OR EXISTS (SELECT 1 FROM attendance a
                                       WHERE a.organizer_id = w.organizer_id AND a.is_here = 1 AND a.seen_at >= ?1))
         ORDER BY since, organizer_id",
        parameters![now - SILENCE],
        |row| {
            Ok(Match {
                organizer_id: row.get(0)?,
                agency_id: row.get(1)?,
                max_open_chats: row.get(2)?,
            })
        },
    )
}

/// The open chats whose organizers have been gone since a moment, the oldest first; none while it has not been heard for all
/// that time who is there.
pub(crate) fn orphans(
    connection: &Connection,
    since: Millis,
    now: Millis,
) -> Result<Vec<String>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT id FROM chats
             WHERE state = 'active' AND assigned_at <= ?1 AND {HEARD}
               AND NOT EXISTS (SELECT 1 FROM attendance a WHERE a.organizer_id = chats.organizer_id AND a.seen_at > ?1)
             ORDER BY assigned_at, id"
        ),
        parameters![since, now - SILENCE],
        |row| row.get(0),
    )
}

/// The chats that were given to who waited for one and has not been seen since: the sidecar was lost, or the organizer left, in the moment of the
/// press. None while it has not been heard for long enough who is there.
pub(crate) fn given_to_nobody(connection: &Connection, now: Millis) -> Result<Vec<String>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT id FROM chats
             WHERE state = 'active' AND assigned_at <= ?1 AND {HEARD} AND started_by IS NULL AND transferred_by IS NULL
               AND NOT EXISTS (SELECT 1 FROM attendance a WHERE a.organizer_id = chats.organizer_id AND a.seen_at > chats.assigned_at)
             ORDER BY assigned_at, id"
        ),
        parameters![now - UNSEEN, now - SILENCE],
        |row| row.get(0),
    )
}

/// Forgets who was there long ago, and who waits and has not been seen for a while: their sidecar will not come back with them.
pub(crate) fn forget_old(connection: &Connection, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM waiting_organizers
         WHERE since < ?1
           AND NOT EXISTS (SELECT 1 FROM attendance a
                           WHERE a.organizer_id = waiting_organizers.organizer_id AND a.is_here = 1 AND a.seen_at >= ?1)",
        parameters![now - LOST],
    )?;
    execute(
        connection,
        "DELETE FROM attendance WHERE seen_at < ?1",
        parameters![now - KEPT],
    )
}
