//! Messages of chats.

use serde::Serialize;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query, query_one};
use service::parameters;
use sidecar_api::Realm;

use crate::store::json_list;

/// A message. A message to store has the next number of its chat, and its author's right to send it was checked in the
/// same transaction.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// The client's idempotency key.
    pub client_id: Option<String>,
    /// Written by the service about the chat.
    pub is_system: bool,
}

/// The characters of a message besides its content: ids, times, names of fields. A macro, so that `concat!` takes it.
macro_rules! frame_characters {
    () => {
        256
    };
}

/// The columns that [`decode`] reads.
macro_rules! columns {
    () => {
        "chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, client_id, is_system"
    };
}

/// Stores messages, all of them with one statement.
pub(crate) fn append(connection: &Connection, messages: &[Message]) -> Result<(), DatabaseError> {
    if messages.is_empty() {
        return Ok(());
    }
    execute(
        connection,
        concat!(
            "INSERT INTO messages (",
            columns!(),
            ") SELECT value ->> 'chatId', value ->> 'seq', value ->> 'id', value ->> 'authorId',
                      value ->> 'fromOrganizer', value ->> 'content', value ->> 'timeSent', value ->> 'lat',
                      value ->> 'lng', value ->> 'clientId', value ->> 'isSystem'
               FROM json_each(?1)"
        ),
        &[json_list(&messages)?],
    )
}

/// The key that makes a message of protocol 2 idempotent.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    pub chat_id: String,
    pub author_id: i64,
    pub from_organizer: bool,
    /// In lower case.
    pub client_id: String,
}

impl Key {
    pub(crate) fn new(chat_id: &str, author: sidecar_api::User, client_id: &str) -> Key {
        Key {
            chat_id: chat_id.to_owned(),
            author_id: author.id,
            from_organizer: author.realm == Realm::Organizer,
            client_id: client_id.to_ascii_lowercase(),
        }
    }
}

/// A stored message, as `message_saved` reports it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub id: String,
    pub seq: i64,
    pub time_sent: Millis,
}

/// The already stored messages with these keys.
pub(crate) fn saved(connection: &Connection, keys: &[Key]) -> Result<Vec<(Key, Saved)>, DatabaseError> {
    query(
        connection,
        "SELECT m.chat_id, m.author_id, m.from_organizer, lower(m.client_id), m.id, m.seq, m.time_sent
         FROM json_each(?1) JOIN messages m
              ON m.chat_id = value ->> 'chatId' AND m.author_id = value ->> 'authorId'
             AND m.from_organizer = value ->> 'fromOrganizer' AND lower(m.client_id) = value ->> 'clientId'
             AND m.client_id IS NOT NULL",
        &[json_list(&keys)?],
        |row| {
            let key = Key {
                chat_id: row.get(0)?,
                author_id: row.get(1)?,
                from_organizer: row.get(2)?,
                client_id: row.get(3)?,
            };
            let saved = Saved {
                id: row.get(4)?,
                seq: row.get(5)?,
                time_sent: row.get(6)?,
            };
            Ok((key, saved))
        },
    )
}

/// The description a chat began with, if its participant gave one.
pub(crate) fn description(connection: &Connection, chat_id: &str) -> Result<Option<Message>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM messages WHERE chat_id = ?1 AND seq = 1"
        ),
        parameters![chat_id],
        |row| decode(&row),
    )
}

/// A chat's latest messages, oldest first: as many as fit into `characters`, at least one.
pub(crate) fn latest(
    connection: &Connection,
    chat_id: &str,
    characters: i64,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM (
                 SELECT *, sum(length(content) + ",
            frame_characters!(),
            ") OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS shown
                 FROM messages WHERE chat_id = ?1)
             WHERE shown < ?2 + length(content) + ",
            frame_characters!(),
            " ORDER BY seq"
        ),
        parameters![chat_id, characters],
        |row| decode(&row),
    )
}

/// A chat's messages after a number, oldest first: at most `limit`, as many as fit into `characters`, at least one.
pub(crate) fn after(
    connection: &Connection,
    chat_id: &str,
    after_seq: i64,
    limit: Option<i64>,
    characters: i64,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM (
                 SELECT *, sum(length(content) + ",
            frame_characters!(),
            ") OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS shown
                 FROM (SELECT * FROM messages WHERE chat_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3))
             WHERE shown < ?4 + length(content) + ",
            frame_characters!(),
            " ORDER BY seq"
        ),
        // SQLite takes a negative limit as no limit.
        parameters![chat_id, after_seq, limit.unwrap_or(-1), characters],
        |row| decode(&row),
    )
}

/// The range of messages that a history question asks for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Range<'a> {
    pub chat_id: &'a str,
    pub after_seq: i64,
    /// The last number of the range.
    pub up_to_seq: i64,
}

/// About how many characters each range takes to show, in the order given.
pub(crate) fn sizes(connection: &Connection, ranges: &[Range]) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT (SELECT coalesce(sum(length(content) + ",
            frame_characters!(),
            "), 0) FROM messages
                     WHERE chat_id = value ->> 'chatId' AND seq > value ->> 'afterSeq' AND seq <= value ->> 'upToSeq')
             FROM json_each(?1) ORDER BY key"
        ),
        &[json_list(&ranges)?],
        |row| row.get(0),
    )
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
        client_id: row.get(9)?,
        is_system: row.get(10)?,
    })
}
