//! Chats: their parties, and their states from waiting to ended.

use serde::Serialize;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query, query_one};
use service::parameters;
use sidecar_api::{Principal, Realm, User};

use crate::search::Pattern;
use crate::store::json_list;

/// A chat that an organizer has, or had before it went back to the queue.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub id: String,
    pub request_id: String,
    pub agency_id: i64,
    pub event_id: i64,
    pub organizer_id: i64,
    /// Empty when it is not known.
    pub organizer_name: String,
    pub participant_id: i64,
    /// How to reach the participant; `None` when the account is gone.
    pub contact: Option<Contact>,
    pub state: State,
    pub lat_start: Option<f64>,
    pub lng_start: Option<f64>,
    /// Of that position: metres, and when it was measured.
    pub accuracy_start: Option<f64>,
    pub position_at_start: Option<Millis>,
    /// What it is about, if the participant has said it.
    pub kind: Option<String>,
    pub time_start: Millis,
    pub time_end: Option<Millis>,
    /// The number of its last message; 0 when there is none.
    pub last_seq: i64,
    /// Whether it has gone back to the queue at least once.
    pub has_been_requeued: bool,
    pub read_by_organizer: i64,
    pub read_by_participant: i64,
}

/// How to reach a participant.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub email: String,
    pub phone_number: String,
    pub name: Option<String>,
    /// Whether a device has made the account, to press help at once.
    pub is_guest: bool,
}

#[derive(Clone, Copy, Debug, serde::Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Its organizer was gone for too long. It waits for another one, and its participant may still write.
    Waiting,
    Active,
    Ended,
}

impl Chat {
    /// Whether the chat is open and the user is a party to it.
    pub(crate) fn is_open_to(&self, principal: &Principal) -> bool {
        self.parties().may_write(principal)
    }

    /// Notes how far a side has read, which only grows. Returns whether it has grown.
    pub(crate) fn read(&mut self, side: Realm, seq: i64) -> bool {
        let read = match side {
            Realm::Organizer => &mut self.read_by_organizer,
            Realm::Participant => &mut self.read_by_participant,
        };
        let has_grown = seq > *read;
        *read = seq.max(*read);
        has_grown
    }

    pub(crate) fn parties(&self) -> Parties {
        Parties {
            state: self.state,
            organizer_id: self.organizer_id,
            participant_id: self.participant_id,
        }
    }
}

/// Whom a chat belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties {
    pub state: State,
    pub organizer_id: i64,
    pub participant_id: i64,
}

impl Parties {
    /// Whether the chat is open and the user is a party to it.
    pub(crate) fn may_write(&self, principal: &Principal) -> bool {
        match principal.user.realm {
            Realm::Organizer => self.state == State::Active && self.organizer_id == principal.user.id,
            Realm::Participant => self.state != State::Ended && self.participant_id == principal.user.id,
        }
    }
}

/// The columns that [`decode`] reads. A macro, so that `concat!` takes it.
macro_rules! columns {
    () => {
        "id, request_id, agency_id, event_id, organizer_id, participant_id,
         (SELECT email FROM contacts c WHERE c.participant_id = chats.participant_id),
         (SELECT phone_number FROM contacts c WHERE c.participant_id = chats.participant_id), state,
         lat_start, lng_start, time_start, time_end,
         (SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = chats.id),
         has_been_requeued, read_by_organizer, read_by_participant, kind, accuracy_start, position_at_start,
         (SELECT nullif(name, '') FROM contacts c WHERE c.participant_id = chats.participant_id), organizer_name,
         (SELECT is_guest FROM contacts c WHERE c.participant_id = chats.participant_id)"
    };
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

/// How many chats each organizer has open, in the order given.
pub(crate) fn count_open_of_each(
    connection: &Connection,
    organizer_ids: &[i64],
) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT (SELECT count(*) FROM chats WHERE organizer_id = value AND state = 'active')
         FROM json_each(?1) ORDER BY key",
        &[json_list(&organizer_ids)?],
        |row| row.get(0),
    )
}

/// How an organizer gets a chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// The organizer asks for one now.
    Asked,
    /// The organizer waits, and may have gone since the sidecar last reported attendance.
    Given,
}

/// Gives the head of an agency's queue to an organizer, who is told by id and name; `None` when nobody waits.
pub(crate) fn start(
    connection: &Connection,
    agency_id: i64,
    organizer: (i64, &str),
    how: Start,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "UPDATE chats SET state = 'active', organizer_id = ?2, organizer_name = ?4,
                 time_start = coalesce(time_start, now), assigned_at = now, given_at = iif(?3, now, NULL)
             FROM (SELECT ",
            now!(),
            " AS now)
             WHERE arrival = (SELECT arrival FROM chats WHERE agency_id = ?1 AND state = 'waiting'
                              ORDER BY pressed_at, arrival LIMIT 1)
             RETURNING ",
            columns!()
        ),
        parameters![agency_id, organizer.0, how == Start::Given, organizer.1],
        |row| decode(&row),
    )
}

/// Ends an organizer's own open chat; `None` when it is not one.
pub(crate) fn close(
    connection: &Connection,
    id: &str,
    organizer_id: i64,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "UPDATE chats SET state = 'ended', time_end = ",
            now!(),
            " WHERE id = ?1 AND organizer_id = ?2 AND state = 'active' RETURNING ",
            columns!()
        ),
        parameters![id, organizer_id],
        |row| decode(&row),
    )
}

/// Gives an open chat to another organizer, and resets how far the organizer has read. That organizer has not asked for
/// the chat and must be heard soon, so the chat has `given_at`, like one that a waiting organizer is given.
pub(crate) fn transfer(
    connection: &Connection,
    id: &str,
    organizer_id: i64,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "UPDATE chats SET organizer_id = ?2, organizer_name = '', assigned_at = now, given_at = now,
                 read_by_organizer = 0
             FROM (SELECT ",
            now!(),
            " AS now)
             WHERE id = ?1 AND state = 'active' RETURNING ",
            columns!()
        ),
        parameters![id, organizer_id],
        |row| decode(&row),
    )
}

/// Re-queues an open chat, ordered by its press, and resets how far the organizer has read.
pub(crate) fn requeue(connection: &Connection, id: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE chats SET state = 'waiting', organizer_name = '', given_at = NULL, has_been_requeued = 1,
             read_by_organizer = 0
         WHERE id = ?1 AND state = 'active'",
        parameters![id],
    )
}

/// The chat of a re-queued request.
pub(crate) fn waiting_again(
    connection: &Connection,
    request_id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE request_id = ?1 AND state = 'waiting' AND time_start IS NOT NULL"
        ),
        parameters![request_id],
        |row| decode(&row),
    )
}

/// Stores how far the sides of chats have read.
pub(crate) fn store_read(connection: &Connection, chats: &[&Chat]) -> Result<(), DatabaseError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Read<'a> {
        chat_id: &'a str,
        by_organizer: i64,
        by_participant: i64,
    }
    if chats.is_empty() {
        return Ok(());
    }
    let read: Vec<Read> = chats
        .iter()
        .map(|chat| Read {
            chat_id: &chat.id,
            by_organizer: chat.read_by_organizer,
            by_participant: chat.read_by_participant,
        })
        .collect();
    execute(
        connection,
        "UPDATE chats SET read_by_organizer = value ->> 'byOrganizer', read_by_participant = value ->> 'byParticipant'
         FROM json_each(?1) WHERE chats.id = value ->> 'chatId'",
        &[json_list(&read)?],
    )
}

/// The open chats among those with the given ids.
pub(crate) fn open_by_ids(connection: &Connection, ids: &[&str]) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats
              WHERE id IN (SELECT value FROM json_each(?1)) AND state <> 'ended' AND time_start IS NOT NULL"
        ),
        &[json_list(&ids)?],
        |row| decode(&row),
    )
}

/// A chat, if it is open and the user is a party to it.
pub(crate) fn open_to(
    connection: &Connection,
    principal: &Principal,
    id: &str,
) -> Result<Option<Chat>, DatabaseError> {
    let open = open_by_ids(connection, &[id])?;
    Ok(open.into_iter().find(|chat| chat.is_open_to(principal)))
}

/// Somebody's open chats, newest first.
pub(crate) fn open_of(connection: &Connection, user: User) -> Result<Vec<Chat>, DatabaseError> {
    // Two statements, so that each is served by its index.
    let statement = match user.realm {
        Realm::Organizer => concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE organizer_id = ?1 AND state = 'active' ORDER BY time_start DESC, arrival DESC"
        ),
        Realm::Participant => concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE participant_id = ?1 AND state <> 'ended' AND time_start IS NOT NULL
              ORDER BY time_start DESC, arrival DESC"
        ),
    };
    query(connection, statement, parameters![user.id], |row| decode(&row))
}

/// An agency's closed chats, newest first.
pub(crate) fn ended_of_agency(connection: &Connection, agency_id: i64) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE agency_id = ?1 AND state = 'ended' ORDER BY time_start DESC, arrival DESC"
        ),
        parameters![agency_id],
        |row| decode(&row),
    )
}

/// A filter of closed chats. Absent members do not restrict.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Filter {
    pub event_id: Option<i64>,
    pub organizer_id: Option<i64>,
    pub participant_id: Option<i64>,
    /// When the first organizer got it: inclusive, and exclusive.
    pub from: Option<Millis>,
    pub to: Option<Millis>,
    /// What a message, or the participant's name or e-mail, contains.
    pub text: Option<Pattern>,
}

/// An agency's closed chats that pass a filter, newest first, after the one with the id `cursor`.
pub(crate) fn page_of_agency(
    connection: &Connection,
    agency_id: i64,
    filter: &Filter,
    cursor: Option<&str>,
    limit: i64,
) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        &page_sql(filter, cursor),
        parameters![
            agency_id,
            filter.event_id,
            filter.organizer_id,
            filter.participant_id,
            filter.from,
            filter.to,
            filter.text.as_ref().map(Pattern::as_str),
            cursor,
            limit
        ],
        |row| decode(&row),
    )
}

/// Only the conditions that restrict, so that an index serves each of them.
fn page_sql(filter: &Filter, cursor: Option<&str>) -> String {
    let conditions = [
        (filter.event_id.is_some(), " AND event_id = ?2"),
        (filter.organizer_id.is_some(), " AND organizer_id = ?3"),
        (filter.participant_id.is_some(), " AND participant_id = ?4"),
        (filter.from.is_some(), " AND time_start >= ?5"),
        (filter.to.is_some(), " AND time_start < ?6"),
        (
            filter.text.is_some(),
            " AND (EXISTS (SELECT 1 FROM contacts c WHERE c.participant_id = chats.participant_id
                                                      AND (c.name GLOB ?7 OR c.email GLOB ?7))
                   OR EXISTS (SELECT 1 FROM messages m WHERE m.chat_id = chats.id AND m.content GLOB ?7))",
        ),
        (
            cursor.is_some(),
            " AND (time_start, arrival) < (SELECT time_start, arrival FROM chats WHERE id = ?8)",
        ),
    ];
    let conditions = conditions.into_iter().filter(|(restricts, _)| *restricts);
    let conditions: String = conditions.map(|(_, condition)| condition).collect();
    format!(
        "SELECT {} FROM chats WHERE agency_id = ?1 AND state = 'ended'{conditions}
         ORDER BY time_start DESC, arrival DESC LIMIT ?9",
        columns!()
    )
}

/// A participant's closed chats, newest first.
pub(crate) fn ended_of_participant(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE participant_id = ?1 AND state = 'ended' ORDER BY time_start DESC, arrival DESC"
        ),
        parameters![participant_id],
        |row| decode(&row),
    )
}

/// A chat that has been started, open or closed.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Chat>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats WHERE id = ?1 AND time_start IS NOT NULL"
        ),
        parameters![id],
        |row| decode(&row),
    )
}

/// The chats of these requests, which have been started.
pub(crate) fn of_requests(
    connection: &Connection,
    request_ids: &[String],
) -> Result<Vec<Chat>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM chats
              WHERE request_id IN (SELECT value FROM json_each(?1)) AND time_start IS NOT NULL
              ORDER BY time_end, arrival"
        ),
        &[json_list(&request_ids)?],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Chat, DatabaseError> {
    let state: String = row.get(8)?;
    let email: Option<String> = row.get(6)?;
    let phone_number: Option<String> = row.get(7)?;
    let name: Option<String> = row.get(20)?;
    let is_guest: Option<bool> = row.get(22)?;
    Ok(Chat {
        id: row.get(0)?,
        request_id: row.get(1)?,
        agency_id: row.get(2)?,
        event_id: row.get(3)?,
        organizer_id: row.get(4)?,
        organizer_name: row.get(21)?,
        participant_id: row.get(5)?,
        contact: email.zip(phone_number).map(|(email, phone_number)| Contact {
            email,
            phone_number,
            name,
            is_guest: is_guest.unwrap_or_default(),
        }),
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
        has_been_requeued: row.get(14)?,
        read_by_organizer: row.get(15)?,
        read_by_participant: row.get(16)?,
        kind: row.get(17)?,
        accuracy_start: row.get(18)?,
        position_at_start: row.get(19)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MIGRATIONS;

    /// The cost of a page does not depend on the length of the archive: an index finds its chats, in order.
    #[test]
    fn every_page_of_the_archive_is_served_by_an_index() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            database.execute_batch(migration).unwrap();
        }
        let event = Filter {
            event_id: Some(9),
            ..Filter::default()
        };
        let person = Filter {
            participant_id: Some(31),
            ..Filter::default()
        };
        for (filter, index) in [
            (Filter::default(), "chats_ended_of_agency (agency_id=?"),
            (event, "chats_ended_of_event (agency_id=? AND event_id=?"),
            (person, "chats_ended_of_participant (participant_id=?"),
        ] {
            for (cursor, position) in [(None, ")"), (Some("id"), " AND time_start<?)")] {
                let sql = format!("EXPLAIN QUERY PLAN {}", page_sql(&filter, cursor));
                let mut statement = database.prepare(&sql).unwrap();
                let nulls = vec![None::<i64>; statement.parameter_count()];
                let steps = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
                let plan: Vec<String> = steps.unwrap().collect::<Result<_, _>>().unwrap();
                assert!(
                    plan[0].ends_with(&format!("INDEX {index}{position}")),
                    "{plan:#?}"
                );
                let sorted = |step: &String| step.starts_with("USE TEMP B-TREE");
                assert!(!plan.iter().any(sorted), "{plan:#?}");
            }
        }
    }
}
