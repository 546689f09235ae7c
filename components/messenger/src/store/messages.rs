//! Messages of chats.

use serde::Serialize;
use service::clock::Millis;
use service::database::{DatabaseError, Row, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::store::json_list;

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub chat_id: String,
    pub seq: i64,
    pub id: String,
    pub author_id: i64,
    pub from_organizer: bool,
    pub content: String,
    pub time_sent: Millis,
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    /// The command that said it; a description has none.
    pub command_id: Option<String>,
}

/// A message that is about to be. Its author's right to say it has been checked in the same transaction.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewMessage<'a> {
    pub chat_id: &'a str,
    pub id: String,
    pub author_id: i64,
    pub from_organizer: i64,
    pub content: &'a str,
    pub time_sent: Millis,
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    pub command_id: String,
}

/// Appends messages to their chats in the order given, each with its chat's next number, in one statement for all of them. What a
/// command has said before is left out, here and in the answer.
pub(crate) fn append(
    connection: &Connection,
    messages: &[NewMessage],
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, command_id)
         SELECT chat_id,
                (SELECT coalesce(max(seq), 0) FROM messages m WHERE m.chat_id = new.chat_id)
                    + row_number() OVER (PARTITION BY chat_id ORDER BY position),
                id, author_id, from_organizer, content, time_sent, lat, lng, command_id
         FROM (SELECT key AS position,
                      value ->> 'chatId' AS chat_id,
                      value ->> 'id' AS id,
                      value ->> 'authorId' AS author_id,
                      value ->> 'fromOrganizer' AS from_organizer,
                      value ->> 'content' AS content,
                      value ->> 'timeSent' AS time_sent,
                      value ->> 'lat' AS lat,
                      value ->> 'lng' AS lng,
                      value ->> 'commandId' AS command_id
               FROM json_each(?1)) AS new
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.command_id = new.command_id)
         RETURNING chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, command_id",
        &[json_list(&messages)?],
        |row| decode(&row),
    )
}

/// What commands have said before.
pub(crate) fn by_commands(
    connection: &Connection,
    command_ids: &[String],
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        "SELECT chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, command_id
         FROM messages WHERE command_id IN (SELECT value FROM json_each(?1))",
        &[json_list(&command_ids)?],
        |row| decode(&row),
    )
}

/// The description a chat began with, if its participant gave one.
pub(crate) fn description(connection: &Connection, chat_id: &str) -> Result<Option<Message>, DatabaseError> {
    query_one(
        connection,
        "SELECT chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, command_id
         FROM messages WHERE chat_id = ?1 AND seq = 1 AND command_id IS NULL",
        parameters![chat_id],
        |row| decode(&row),
    )
}

/// A chat's messages, oldest first.
pub(crate) fn list(connection: &Connection, chat_id: &str) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        "SELECT chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, command_id
         FROM messages WHERE chat_id = ?1 ORDER BY seq",
        parameters![chat_id],
        |row| decode(&row),
    )
}

/// The number of a chat's last message; 0 when nothing has been said.
pub(crate) fn last_seq(connection: &Connection, chat_id: &str) -> Result<i64, DatabaseError> {
    let last = query_one(
        connection,
        "SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = ?1",
        parameters![chat_id],
        |row| row.get(0),
    )?;
    Ok(last.unwrap_or_default())
}

fn decode(row: &Row) -> Result<Message, DatabaseError> {
    Ok(Message {
        chat_id: row.get(0)?,
        seq: row.get(1)?,
        id: row.get(2)?,
        author_id: row.get(3)?,
        from_organizer: row.get(4)?,
        content: row.get(5)?,
        time_sent: row.get(6)?,
        lat: row.get(7)?,
        lng: row.get(8)?,
        command_id: row.get(9)?,
    })
}
