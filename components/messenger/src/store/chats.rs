//! Chats: who takes part in them, and their life from waiting to ended.

use relay_protocol::{Principal, Realm, User};
use service::clock::Millis;
use service::database::{DatabaseError, Row, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::store::json_list;
use crate::store::revision::NEXT;

/// A chat that an organizer has taken, now or before it went back to the queue.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub id: String,
    pub request_id: String,
    pub agency_id: i64,
    pub event_id: i64,
    pub organizer_id: i64,
    pub participant_id: i64,
    /// How to reach the participant; `None` when the account is gone.
    pub contact: Option<Contact>,
    pub state: State,
    pub lat_start: Option<f64>,
    pub lng_start: Option<f64>,
    pub time_start: Millis,
    pub time_end: Option<Millis>,
    /// The number of its last message; 0 when nothing has been said.
    pub last_seq: i64,
    /// How many of its frames with a position are not messages, the first `new_chat` not counted.
    pub shifts: i64,
    pub new_chat_position: i64,
    pub read_by_organizer: i64,
    pub read_by_participant: i64,
    /// The revision with which its first `new_chat` was shown, to the participant and its first organizer.
    pub started_at_revision: i64,
    /// The same of its latest one, to the organizer of now.
    pub given_at_revision: i64,
    /// The same of `closed_chat`; 0 before.
    pub closed_at_revision: i64,
}

/// How to reach a participant.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub email: String,
    pub phone_number: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Its organizer was gone for too long; it waits for another one, and its participant may go on writing.
    Waiting,
    Active,
    Ended,
}

impl Chat {
    /// Whether somebody is one of the two parties and may see and say something.
    pub(crate) fn is_open_to(&self, principal: &Principal) -> bool {
        match principal.user.realm {
            Realm::Organizer => self.state == State::Active && self.organizer_id == principal.user.id,
            Realm::Participant => self.state != State::Ended && self.participant_id == principal.user.id,
        }
    }

    /// Whether an organizer who may once have had it has it no more, although it is not over.
    pub(crate) fn has_left(&self, user: User) -> bool {
        let is_theirs = self.state == State::Active && self.organizer_id == user.id;
        user.realm == Realm::Organizer && self.state != State::Ended && !is_theirs
    }

    /// Where the next frame of the chat will stand.
    pub(crate) fn next_position(&self) -> i64 {
        self.last_seq + self.shifts + 1
    }
}

/// What is asked of a chat that has been started, to be read by [`decode`].
const COLUMNS: &str = "id, request_id, agency_id, event_id, organizer_id, participant_id,
    (SELECT email FROM contacts c WHERE c.participant_id = chats.participant_id),
    (SELECT phone_number FROM contacts c WHERE c.participant_id = chats.participant_id), state,
    lat_start, lng_start, time_start, time_end, (SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = chats.id),
    shifts, new_chat_position, read_by_organizer, read_by_participant, started_at_revision, given_at_revision, closed_at_revision";

/// The chat that a command has started.
pub(crate) fn started_by(connection: &Connection, command_id: &str) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS} FROM chats WHERE started_by = ?1"),
        parameters![command_id],
        |row| decode(&row),
    )
}

/// How many chats an organizer has open.
pub(crate) fn count_open(connection: &Connection, organizer_id: i64) -> Result<i64, DatabaseError> {
    let count = query_one(
        connection,
        "SELECT count(*) FROM chats WHERE organizer_id = ?1 AND state = 'active'",
        parameters![organizer_id],
        |row| row.get(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// Gives the head of an agency's queue to an organizer; `None` when nobody waits. The command that asks is noted, if it was one.
pub(crate) fn start(
    connection: &Connection,
    agency_id: i64,
    organizer_id: i64,
    now: Millis,
    command_id: Option<&str>,
) -> Result<Option<Chat>, DatabaseError> {
    // The first new_chat stands at 0; one after the chat was back in the queue stands behind what has happened so far.
    query_one(
        connection,
        &format!(
            "UPDATE chats SET state = 'active', organizer_id = ?2, time_start = coalesce(time_start, ?3), assigned_at = ?3,
                 started_by = ?4, given_at_revision = {NEXT},
                 started_at_revision = iif(time_start IS NULL, {NEXT}, started_at_revision),
                 new_chat_position = iif(time_start IS NULL, 0,
                     (SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = chats.id) + shifts + 1),
                 shifts = shifts + (time_start IS NOT NULL)
             WHERE id = (SELECT id FROM chats WHERE agency_id = ?1 AND state = 'waiting' ORDER BY pressed_at, id LIMIT 1)
             RETURNING {COLUMNS}"
        ),
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
        &format!(
            "UPDATE chats SET state = 'ended', time_end = coalesce(time_end, ?3), closed_by = ?4,
                 closed_at_revision = iif(state = 'active', {NEXT}, closed_at_revision)
             WHERE id = ?1 AND organizer_id = ?2 AND (state = 'active' OR closed_by = ?4)
             RETURNING {COLUMNS}"
        ),
        parameters![id, organizer_id, now, command_id],
        |row| decode(&row),
    )
}

/// The chat that a command has handed over.
pub(crate) fn transferred_by(
    connection: &Connection,
    command_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS} FROM chats WHERE transferred_by = ?1"),
        parameters![command_id],
        |row| decode(&row),
    )
}

/// Gives an open chat to another organizer.
pub(crate) fn transfer(
    connection: &Connection,
    id: &str,
    organizer_id: i64,
    now: Millis,
    command_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "UPDATE chats SET organizer_id = ?2, assigned_at = ?3, transferred_by = ?4, read_by_organizer = 0,
                 given_at_revision = {NEXT},
                 new_chat_position = (SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = chats.id) + shifts + 1,
                 shifts = shifts + 1
             WHERE id = ?1 AND state = 'active'
             RETURNING {COLUMNS}"
        ),
        parameters![id, organizer_id, now, command_id],
        |row| decode(&row),
    )
}

/// Lets an open chat wait again, at the place its press gives it; the next organizer has read nothing of it.
pub(crate) fn requeue(connection: &Connection, id: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE chats SET state = 'waiting', started_by = NULL, read_by_organizer = 0 WHERE id = ?1 AND state = 'active'",
        parameters![id],
    )
}

/// The chat of a request that waits again after an organizer had it.
pub(crate) fn waiting_again(
    connection: &Connection,
    request_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM chats WHERE request_id = ?1 AND state = 'waiting' AND time_start IS NOT NULL"
        ),
        parameters![request_id],
        |row| decode(&row),
    )
}

/// Notes how far a side has read, which never goes back nor beyond what there is. Returns whether that is news.
pub(crate) fn read(connection: &Connection, id: &str, by: Realm, seq: i64) -> Result<bool, DatabaseError> {
    let column = match by {
        Realm::Organizer => "read_by_organizer",
        Realm::Participant => "read_by_participant",
    };
    let changed = query_one(
        connection,
        &format!("UPDATE chats SET {column} = ?2 WHERE id = ?1 AND {column} < ?2 RETURNING 1"),
        parameters![id, seq],
        |row| row.get::<i64>(0),
    )?;
    Ok(changed.is_some())
}

/// Those among the chats with the given ids in which something may still be said.
pub(crate) fn open_by_ids(connection: &Connection, ids: &[&str]) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM chats
             WHERE id IN (SELECT value FROM json_each(?1)) AND state <> 'ended' AND time_start IS NOT NULL"
        ),
        &[json_list(&ids)?],
        |row| decode(&row),
    )
}

/// Somebody's open chats, newest first.
pub(crate) fn open_of(connection: &Connection, user: User) -> Result<Vec<Chat>, DatabaseError> {
    // Two texts rather than one condition, so that each is served by its index.
    let condition = match user.realm {
        Realm::Organizer => "organizer_id = ?1 AND state = 'active'",
        Realm::Participant => "participant_id = ?1 AND state <> 'ended' AND time_start IS NOT NULL",
    };
    query(
        connection,
        &format!("SELECT {COLUMNS} FROM chats WHERE {condition} ORDER BY time_start DESC, id DESC"),
        parameters![user.id],
        |row| decode(&row),
    )
}

/// Somebody's chats that were closed with a later revision.
pub(crate) fn closed_of(connection: &Connection, user: User, since: i64) -> Result<Vec<Chat>, DatabaseError> {
    let party = match user.realm {
        Realm::Organizer => "organizer_id",
        Realm::Participant => "participant_id",
    };
    query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM chats WHERE {party} = ?1 AND state = 'ended' AND closed_at_revision > ?2"
        ),
        parameters![user.id, since],
        |row| decode(&row),
    )
}

/// An agency's closed chats, newest first.
pub(crate) fn ended_of_agency(connection: &Connection, agency_id: i64) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM chats WHERE agency_id = ?1 AND state = 'ended' ORDER BY time_start DESC, id DESC"
        ),
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
        &format!(
            "SELECT {COLUMNS} FROM chats WHERE participant_id = ?1 AND state = 'ended' ORDER BY time_start DESC, id DESC"
        ),
        parameters![participant_id],
        |row| decode(&row),
    )
}

/// A chat that has been started, open or closed.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS} FROM chats WHERE id = ?1 AND time_start IS NOT NULL"),
        parameters![id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Chat, DatabaseError> {
    let state: String = row.get(8)?;
    let email: Option<String> = row.get(6)?;
    let phone_number: Option<String> = row.get(7)?;
    Ok(Chat {
        id: row.get(0)?,
        request_id: row.get(1)?,
        agency_id: row.get(2)?,
        event_id: row.get(3)?,
        organizer_id: row.get(4)?,
        participant_id: row.get(5)?,
        contact: email
            .zip(phone_number)
            .map(|(email, phone_number)| Contact { email, phone_number }),
        state: match state.as_str() {
            "waiting" => State::Waiting,
            "active" => State::Active,
            "ended" => State::Ended,
            _ => return Err(DatabaseError(format!("a chat is {state}"))),
        },
        lat_start: row.get(9)?,
        lng_start: row.get(10)?,
        time_start: row.get(11)?,
        time_end: row.get(12)?,
        last_seq: row.get(13)?,
        shifts: row.get(14)?,
        new_chat_position: row.get(15)?,
        read_by_organizer: row.get(16)?,
        read_by_participant: row.get(17)?,
        started_at_revision: row.get(18)?,
        given_at_revision: row.get(19)?,
        closed_at_revision: row.get(20)?,
    })
}
