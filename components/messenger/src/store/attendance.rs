//! Which organizers are here, which of them wait for a request, and which chats are unattended. A stored time
//! that lies ahead is from before the clock was set back: it does not show that an organizer is here.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query};
use service::parameters;
use sidecar_api::{Attendance, Principal};
use spin_sdk::sqlite3::Value;

use crate::store::json_list;

/// A sidecar that has been silent for this long may have lost its organizers.
const SIDECAR_SILENT_AFTER: Millis = 5_000;

/// A sidecar that has been silent for this long has lost its organizers.
const SIDECAR_LOST_AFTER: Millis = 60_000;

/// A waiting organizer or a colleague who was given a chat, and is not heard for this long after, did not get it.
/// Sidecars ping organizers every five seconds and report attendance every second.
const ASSIGNMENT_TIMEOUT: Millis = 10_000;

/// How long the attendance of absent organizers is kept.
const KEPT: Millis = 24 * 60 * 60 * 1000;

/// Stores the attendance at a sidecar, and marks its other organizers as gone. An organizer who is at no sidecar stops
/// waiting for a request. Call it in a transaction.
pub(crate) fn record(
    connection: &Connection,
    sidecar: &str,
    organizers: &[Attendance],
) -> Result<(), DatabaseError> {
    let list = json_list(&organizers)?;
    let sidecar = Value::Text(sidecar.to_owned());
    execute(
        connection,
        concat!(
            "INSERT INTO hearing (id, since, heard_at) SELECT 1, now, now FROM (SELECT ",
            now!(),
            " AS now) WHERE true
             ON CONFLICT (id) DO UPDATE
             SET since = iif(heard_at BETWEEN excluded.heard_at - ?1 AND excluded.heard_at, since, excluded.since),
                 heard_at = excluded.heard_at"
        ),
        parameters![SIDECAR_SILENT_AFTER],
    )?;
    if !organizers.is_empty() {
        execute(
            connection,
            concat!(
                "INSERT INTO attendance (organizer_id, sidecar, agency_id, is_here, seen_at, heard_at)
                 SELECT value ->> 'organizerId', ?2, value ->> 'agencyId', 1, now, now - max(value ->> 'silentFor', 0)
                 FROM json_each(?1), (SELECT ",
                now!(),
                " AS now) WHERE true
                 ON CONFLICT (organizer_id, sidecar) DO UPDATE
                 SET agency_id = excluded.agency_id, is_here = 1, seen_at = excluded.seen_at,
                     heard_at = iif(heard_at > excluded.seen_at, excluded.heard_at,
                                    max(heard_at, excluded.heard_at))"
            ),
            &[list.clone(), sidecar.clone()],
        )?;
        // An organizer's limit may have changed since they asked to wait.
        execute(
            connection,
            "UPDATE waiting_organizers SET max_open_chats = value ->> 'maxOpenChats'
             FROM json_each(?1) WHERE organizer_id = value ->> 'organizerId'",
            std::slice::from_ref(&list),
        )?;
    }
    let gone = query(
        connection,
        concat!(
            "UPDATE attendance SET is_here = 0, seen_at = ",
            now!(),
            " WHERE sidecar = ?2 AND is_here = 1
                AND organizer_id NOT IN (SELECT value ->> 'organizerId' FROM json_each(?1))
              RETURNING organizer_id"
        ),
        &[list, sidecar],
        |row| row.get::<i64>(0),
    )?;
    if gone.is_empty() {
        return Ok(());
    }
    execute(
        connection,
        concat!(
            "DELETE FROM waiting_organizers
             WHERE organizer_id IN (SELECT value FROM json_each(?1))
               AND NOT EXISTS (SELECT 1 FROM attendance a
                               WHERE a.organizer_id = waiting_organizers.organizer_id AND a.is_here = 1
                                 AND a.seen_at BETWEEN ",
            now!(),
            " - ?2 AND ",
            now!(),
            ")"
        ),
        &[json_list(&gone)?, Value::Integer(SIDECAR_SILENT_AFTER)],
    )
}

/// An organizer who is present.
pub(crate) struct Colleague {
    pub organizer_id: i64,
    pub active_chats: i64,
    pub is_waiting: bool,
}

/// The organizers of an agency who are present, by id. A sidecar that has been silent no longer vouches for anybody.
pub(crate) fn present(connection: &Connection, agency_id: i64) -> Result<Vec<Colleague>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT DISTINCT a.organizer_id,
                    (SELECT count(*) FROM chats c WHERE c.organizer_id = a.organizer_id AND c.state = 'active'),
                    EXISTS (SELECT 1 FROM waiting_organizers w WHERE w.organizer_id = a.organizer_id)
             FROM attendance a
             WHERE a.agency_id = ?1 AND a.is_here = 1 AND a.seen_at BETWEEN ",
            now!(),
            " - ?2 AND ",
            now!(),
            " ORDER BY a.organizer_id"
        ),
        parameters![agency_id, SIDECAR_SILENT_AFTER],
        |row| {
            Ok(Colleague {
                organizer_id: row.get(0)?,
                active_chats: row.get(1)?,
                is_waiting: row.get::<i64>(2)? != 0,
            })
        },
    )
}

/// Lets an organizer wait for the next request of their agency.
pub(crate) fn wait(
    connection: &Connection,
    organizer: &Principal,
    agency_id: i64,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "INSERT INTO waiting_organizers (organizer_id, agency_id, since, max_open_chats, name) VALUES (?1, ?2, ",
            now!(),
            ", ?3, ?4)
             ON CONFLICT (organizer_id) DO UPDATE
             SET agency_id = excluded.agency_id, max_open_chats = excluded.max_open_chats, name = excluded.name"
        ),
        parameters![
            organizer.user.id,
            agency_id,
            organizer.max_open_chats.map(i64::from),
            &organizer.name
        ],
    )
}

/// Ends an organizer's waiting.
pub(crate) fn stop_waiting(connection: &Connection, organizer_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM waiting_organizers WHERE organizer_id = ?1",
        parameters![organizer_id],
    )
}

/// A waiting organizer for whom a request waits.
pub(crate) struct Match {
    pub organizer_id: i64,
    pub agency_id: i64,
    /// How to address the organizer; may be empty.
    pub name: String,
}

/// The organizers who can be given a request, longest wait first.
pub(crate) fn matches(connection: &Connection) -> Result<Vec<Match>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT organizer_id, agency_id, name FROM waiting_organizers w WHERE ",
            can_be_given_a_request!(),
            " ORDER BY since, organizer_id"
        ),
        &[],
        |row| {
            Ok(Match {
                organizer_id: row.get(0)?,
                agency_id: row.get(1)?,
                name: row.get(2)?,
            })
        },
    )
}

/// The unattended open chats: those whose organizers have been gone for `patience`, and those given to a waiting
/// organizer or handed over to a colleague who was not heard since. Empty unless sidecars have reported attendance for
/// all that time, and so since the clock was set back.
pub(crate) fn unattended(connection: &Connection, patience: Millis) -> Result<Vec<String>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT id FROM (
                 SELECT id, assigned_at FROM chats
                 WHERE state = 'active' AND (assigned_at <= ",
            now!(),
            " - ?1 OR assigned_at >= ",
            now!(),
            " + ?1) AND (SELECT since FROM hearing WHERE heard_at BETWEEN ",
            now!(),
            " - ?3 AND ",
            now!(),
            ") <= ",
            now!(),
            " - ?1 AND NOT EXISTS (SELECT 1 FROM attendance a
                                   WHERE a.organizer_id = chats.organizer_id AND a.seen_at > ",
            now!(),
            " - ?1 AND a.seen_at <= ",
            now!(),
            ")
                 UNION
                 SELECT id, assigned_at FROM chats
                 WHERE state = 'active' AND given_at <= ",
            now!(),
            " - ?2 AND (SELECT since FROM hearing WHERE heard_at BETWEEN ",
            now!(),
            " - ?3 AND ",
            now!(),
            ") <= ",
            now!(),
            " - ?2 AND NOT EXISTS (SELECT 1 FROM attendance a
                                   WHERE a.organizer_id = chats.organizer_id AND a.heard_at > chats.given_at
                                     AND a.heard_at <= ",
            now!(),
            "))
             ORDER BY assigned_at, id"
        ),
        parameters![patience, ASSIGNMENT_TIMEOUT, SIDECAR_SILENT_AFTER],
        |row| row.get(0),
    )
}

/// Notes that an organizer has lost a chat to the queue and has to be informed.
pub(crate) fn inform_later(connection: &Connection, organizer_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "INSERT INTO organizers_to_inform (organizer_id, requeued_at) VALUES (?1, ",
            now!(),
            ") ON CONFLICT (organizer_id) DO UPDATE SET requeued_at = excluded.requeued_at"
        ),
        parameters![organizer_id],
    )
}

/// The organizers who have lost chats to the queue and were heard since. Each is returned once.
pub(crate) fn take_to_inform(connection: &Connection) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        concat!(
            "DELETE FROM organizers_to_inform AS i
             WHERE EXISTS (SELECT 1 FROM attendance a
                           WHERE a.organizer_id = i.organizer_id AND a.is_here = 1 AND a.heard_at > i.requeued_at
                             AND a.heard_at <= ",
            now!(),
            ")
             RETURNING organizer_id"
        ),
        &[],
        |row| row.get(0),
    )
}

/// Deletes old attendance, and waiting organizers who have not been seen for a while, because their sidecar is gone.
pub(crate) fn forget_old(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "DELETE FROM waiting_organizers
             WHERE since < ",
            now!(),
            " - ?1 AND NOT EXISTS (SELECT 1 FROM attendance a
                                   WHERE a.organizer_id = waiting_organizers.organizer_id AND a.is_here = 1
                                     AND a.seen_at >= ",
            now!(),
            " - ?1)"
        ),
        parameters![SIDECAR_LOST_AFTER],
    )?;
    execute(
        connection,
        concat!(
            "DELETE FROM organizers_to_inform WHERE requeued_at < ",
            now!(),
            " - ?1"
        ),
        parameters![KEPT],
    )?;
    execute(
        connection,
        concat!("DELETE FROM attendance WHERE seen_at < ", now!(), " - ?1"),
        parameters![KEPT],
    )
}
