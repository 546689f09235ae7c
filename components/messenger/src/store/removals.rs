//! The removal of closed chats that are older than they may become, and the outbox that reports it to the record.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::internal::Removal;
use service::parameters;
use service::retry;

use crate::store::json_list;

/// A closed chat to remove.
#[derive(Debug)]
pub(crate) struct Old {
    pub id: String,
    pub agency_id: i64,
    /// How many messages it has.
    pub messages: i64,
}

/// The time before which chats must have ended to be removed: the start of the day, so many days ago, by the
/// database's clock and in UTC. So chats are removed, and reported, once a day.
pub(crate) fn limit(connection: &Connection, days: u32) -> Result<Millis, DatabaseError> {
    let limit = query_one(
        connection,
        "SELECT (unixepoch() / 86400 - ?1) * 86400000",
        parameters![i64::from(days)],
        |row| row.get(0),
    )?;
    limit.ok_or_else(|| DatabaseError("there is no time".to_owned()))
}

/// The closed chats that ended before a time, the oldest first. One whose lock waits to be released stays until then.
/// Those of the canary, whose ids are below 0, are deleted otherwise.
pub(crate) fn old(
    connection: &Connection,
    ended_before: Millis,
    limit: i64,
) -> Result<Vec<Old>, DatabaseError> {
    query(connection, OLD, parameters![ended_before, limit], |row| {
        Ok(Old {
            id: row.get(0)?,
            agency_id: row.get(1)?,
            messages: row.get(2)?,
        })
    })
}

const OLD: &str = "
    SELECT id, agency_id, (SELECT count(*) FROM messages WHERE chat_id = chats.id)
    FROM chats
    WHERE state = 'ended' AND time_end < ?1 AND agency_id > 0
      AND NOT EXISTS (SELECT 1 FROM lock_releases r WHERE r.request_id = chats.request_id)
    ORDER BY time_end LIMIT ?2";

/// Removes the last messages of a chat. Call it in a transaction.
pub(crate) fn remove_messages(
    connection: &Connection,
    chat_id: &str,
    count: i64,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM messages WHERE chat_id = ?1
           AND seq > (SELECT max(seq) FROM messages WHERE chat_id = ?1) - ?2",
        parameters![chat_id, count],
    )
}

/// Removes chats with their messages, and contact details of participants who have no chat left. A late delivery of
/// their presses is refused, as that of a cancelled one. Call it in a transaction.
pub(crate) fn remove(connection: &Connection, chat_ids: &[&str]) -> Result<(), DatabaseError> {
    let ids = json_list(&chat_ids)?;
    for statement in [
        concat!(
            "INSERT INTO cancelled_requests (request_id, cancelled_at) SELECT request_id, ",
            now!(),
            " FROM chats WHERE id IN (SELECT value FROM json_each(?1)) ON CONFLICT DO NOTHING"
        ),
        "DELETE FROM messages WHERE chat_id IN (SELECT value FROM json_each(?1))",
        "DELETE FROM contacts
         WHERE participant_id IN (SELECT participant_id FROM chats WHERE id IN (SELECT value FROM json_each(?1)))
           AND NOT EXISTS (SELECT 1 FROM chats c WHERE c.participant_id = contacts.participant_id
                                                   AND c.id NOT IN (SELECT value FROM json_each(?1)))",
        "DELETE FROM chats WHERE id IN (SELECT value FROM json_each(?1))",
    ] {
        execute(connection, statement, std::slice::from_ref(&ids))?;
    }
    Ok(())
}

/// Adds to what was removed of an agency. Call it in the transaction that removes it.
pub(crate) fn note(
    connection: &Connection,
    (agency_id, ended_before): (i64, Millis),
    chats: i64,
    messages: i64,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO removals (agency_id, ended_before, chats, messages) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (agency_id, ended_before) WHERE report_id IS NULL
         DO UPDATE SET chats = chats + excluded.chats, messages = messages + excluded.messages",
        parameters![agency_id, ended_before, chats, messages],
    )
}

/// Whether there are rows that grow.
pub(crate) fn grow(connection: &Connection) -> Result<bool, DatabaseError> {
    let growing = query_one(
        connection,
        "SELECT 1 FROM removals WHERE report_id IS NULL LIMIT 1",
        &[],
        |row| row.get::<i64>(0),
    )?;
    Ok(growing.is_some())
}

/// Ends the growth of all rows: what is removed from now on is another report.
pub(crate) fn conclude(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE removals SET report_id = lower(hex(randomblob(16))) WHERE report_id IS NULL",
        &[],
    )
}

/// The reports that are due, in the order of the removals.
pub(crate) fn due(connection: &Connection, limit: i64) -> Result<Vec<Removal>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT report_id, agency_id, ended_before, chats, messages FROM removals
             WHERE report_id IS NOT NULL AND due_at <= ",
            now!(),
            " ORDER BY id LIMIT ?1"
        ),
        parameters![limit],
        |row| {
            Ok(Removal {
                id: row.get(0)?,
                agency_id: row.get(1)?,
                ended_before: row.get(2)?,
                chats: row.get(3)?,
                messages: row.get(4)?,
            })
        },
    )
}

/// Deletes reports that are in the record.
pub(crate) fn done(connection: &Connection, report_ids: &[String]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM removals WHERE report_id IN (SELECT value FROM json_each(?1))",
        &[json_list(&report_ids)?],
    )
}

/// Notes that reports could not be recorded; the next try is later.
pub(crate) fn postpone(connection: &Connection, report_ids: &[String]) -> Result<(), DatabaseError> {
    retry::postpone(connection, "removals", "report_id", report_ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MIGRATIONS;

    /// A tick asks every second, however many chats there are.
    #[test]
    fn old_chats_are_found_by_an_index() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            database.execute_batch(migration).unwrap();
        }
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {OLD}")).unwrap();
        let steps = statement.query_map([None::<i64>; 2], |row| row.get(3));
        let plan: Vec<String> = steps.unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(
            plan[0],
            "SEARCH chats USING INDEX chats_ended_by_time (time_end<?)"
        );
        assert!(
            !plan.iter().any(|step| step.starts_with("USE TEMP B-TREE")),
            "{plan:#?}"
        );
    }
}
