//! Chats: who takes part in them, and their life from waiting to ended.

use relay_protocol::{Principal, Realm};
use service::clock::Millis;
use service::database::{DatabaseError, Row, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::store::json_list;

/// A chat that an organizer has taken.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub id: String,
    pub request_id: String,
    pub agency_id: i64,
    pub event_id: i64,
    pub organizer_id: i64,
    pub participant_id: i64,
    pub email: String,
    pub phone_number: String,
    pub ended: bool,
    pub lat_start: Option<f64>,
    pub lng_start: Option<f64>,
    pub time_start: Millis,
    pub time_end: Option<Millis>,
}

impl Chat {
    /// Whether somebody is one of the two parties.
    pub(crate) fn has_party(&self, principal: &Principal) -> bool {
        match principal.user.realm {
            Realm::Organizer => self.organizer_id == principal.user.id,
            Realm::Participant => self.participant_id == principal.user.id,
        }
    }
}

/// Gives the head of an agency's queue to an organizer; `None` when nobody waits. The command that asks is noted, and asking again with
/// it gives the same chat again.
pub(crate) fn start(
    connection: &Connection,
    agency_id: i64,
    organizer_id: i64,
    now: Millis,
    command_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    let again = query_one(
        connection,
        "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                lat_start, lng_start, time_start, time_end
         FROM chats WHERE started_by = ?1",
        parameters![command_id],
        |row| decode(&row),
    )?;
    if again.is_some() {
        return Ok(again);
    }
    query_one(
        connection,
        "UPDATE chats SET state = 'active', organizer_id = ?2, time_start = ?3, started_by = ?4
         WHERE id = (SELECT id FROM chats WHERE agency_id = ?1 AND state = 'waiting' ORDER BY pressed_at, id LIMIT 1)
         RETURNING id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                   lat_start, lng_start, time_start, time_end",
        parameters![agency_id, organizer_id, now, command_id],
        |row| decode(&row),
    )
}

/// Ends an organizer's own open chat; `None` when it is not one. Asking again with the same command is answered as before.
pub(crate) fn close(
    connection: &Connection,
    id: &str,
    organizer_id: i64,
    now: Millis,
    command_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        "UPDATE chats SET state = 'ended', time_end = coalesce(time_end, ?3), closed_by = ?4
         WHERE id = ?1 AND organizer_id = ?2 AND (state = 'active' OR closed_by = ?4)
         RETURNING id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                   lat_start, lng_start, time_start, time_end",
        parameters![id, organizer_id, now, command_id],
        |row| decode(&row),
    )
}

/// The open ones among the chats with the given ids.
pub(crate) fn open_by_ids(connection: &Connection, ids: &[&str]) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                lat_start, lng_start, time_start, time_end
         FROM chats WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'active'",
        &[json_list(&ids)?],
        |row| decode(&row),
    )
}

/// Somebody's open chats, newest first.
pub(crate) fn open_of(connection: &Connection, principal: &Principal) -> Result<Vec<Chat>, DatabaseError> {
    // Two texts rather than one condition, so that each is served by its index.
    let sql = match principal.user.realm {
        Realm::Organizer => {
            "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                    lat_start, lng_start, time_start, time_end
             FROM chats WHERE organizer_id = ?1 AND state = 'active' ORDER BY time_start DESC, id DESC"
        }
        Realm::Participant => {
            "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                    lat_start, lng_start, time_start, time_end
             FROM chats WHERE participant_id = ?1 AND state = 'active' ORDER BY time_start DESC, id DESC"
        }
    };
    query(connection, sql, parameters![principal.user.id], |row| {
        decode(&row)
    })
}

/// An agency's closed chats, newest first.
pub(crate) fn ended_of_agency(connection: &Connection, agency_id: i64) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                lat_start, lng_start, time_start, time_end
         FROM chats WHERE agency_id = ?1 AND state = 'ended' ORDER BY time_start DESC, id DESC",
        parameters![agency_id],
        |row| decode(&row),
    )
}

/// A participant's closed chats, newest first.
pub(crate) fn ended_of_participant(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                lat_start, lng_start, time_start, time_end
         FROM chats WHERE participant_id = ?1 AND state = 'ended' ORDER BY time_start DESC, id DESC",
        parameters![participant_id],
        |row| decode(&row),
    )
}

/// A chat that has been started, open or closed.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, request_id, agency_id, event_id, organizer_id, participant_id, email, phone_number, state = 'ended',
                lat_start, lng_start, time_start, time_end
         FROM chats WHERE id = ?1 AND state <> 'waiting'",
        parameters![id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Chat, DatabaseError> {
    Ok(Chat {
        id: row.get(0)?,
        request_id: row.get(1)?,
        agency_id: row.get(2)?,
        event_id: row.get(3)?,
        organizer_id: row.get(4)?,
        participant_id: row.get(5)?,
        email: row.get(6)?,
        phone_number: row.get(7)?,
        ended: row.get(8)?,
        lat_start: row.get(9)?,
        lng_start: row.get(10)?,
        time_start: row.get(11)?,
        time_end: row.get(12)?,
    })
}
