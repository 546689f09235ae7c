//! The removal of closed chats that are older than they may become.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query};
use service::parameters;

use crate::bindings::mayday::platform::ledger::{Removal, Removed, RemovedChats};
use crate::store::json_list;

/// A closed chat to remove.
#[derive(Debug)]
pub(crate) struct Old {
    pub id: String,
    pub agency_id: i64,
    /// How many messages it has.
    pub messages: i64,
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

/// What a report has, to be read by [`decode`].
pub(crate) const COLUMNS: &str = "agency_id, ended_before, chats, messages";

/// The report of a row.
pub(crate) fn decode(row: &Row) -> Result<Removal, DatabaseError> {
    Ok(Removal {
        id: row.get(0)?,
        removed: Removed::Chats(RemovedChats {
            agency_id: row.get(1)?,
            ended_before: row.get(2)?,
            chats: row.get(3)?,
            messages: row.get(4)?,
        }),
    })
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
