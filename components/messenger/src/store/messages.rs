//! Messages of chats.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query, query_one};
use service::parameters;
use sidecar_api::Realm;

use crate::store::chats::{Parties, State};
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

/// The bytes of a message besides its content: ids, times, names of fields. A macro, so that `concat!` takes it.
macro_rules! frame_bytes {
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

/// What has to be known to store messages.
pub(crate) struct Known {
    /// Of the open chats: whom they belong to, and the numbers of their last messages.
    pub chats: HashMap<String, (Parties, i64)>,
    /// The messages that are stored already.
    pub saved: HashMap<Key, Saved>,
}

/// What is known of messages for these chats, with these keys. One row has all of it: each row of an answer costs a
/// libSQL server almost as much as a statement.
pub(crate) fn known(
    connection: &Connection,
    chat_ids: &[&str],
    keys: &[Key],
) -> Result<Known, DatabaseError> {
    let known = query_one(
        connection,
        "SELECT (SELECT json_group_array(json_array(
                            id, state, organizer_id, participant_id,
                            (SELECT coalesce(max(seq), 0) FROM messages WHERE chat_id = chats.id)))
                 FROM chats
                 WHERE id IN (SELECT value FROM json_each(?1)) AND state <> 'ended' AND time_start IS NOT NULL),
                (SELECT json_group_array(json_array(
                            m.chat_id, m.author_id, m.from_organizer, lower(m.client_id), m.id, m.seq, m.time_sent))
                 FROM json_each(?2) JOIN messages m
                      ON m.chat_id = value ->> 'chatId' AND m.author_id = value ->> 'authorId'
                     AND m.from_organizer = value ->> 'fromOrganizer' AND lower(m.client_id) = value ->> 'clientId'
                     AND m.client_id IS NOT NULL)",
        &[json_list(&chat_ids)?, json_list(&keys)?],
        |row| {
            let chats: Vec<(String, State, i64, i64, i64)> = rows(&row.get::<String>(0)?)?;
            let saved: Vec<(String, i64, u8, String, String, i64, Millis)> = rows(&row.get::<String>(1)?)?;
            let chat = |(id, state, organizer_id, participant_id, last_seq)| {
                let parties = Parties {
                    state,
                    organizer_id,
                    participant_id,
                };
                (id, (parties, last_seq))
            };
            let message = |(chat_id, author_id, from_organizer, client_id, id, seq, time_sent)| {
                let key = Key {
                    chat_id,
                    author_id,
                    from_organizer: from_organizer != 0,
                    client_id,
                };
                (key, Saved { id, seq, time_sent })
            };
            Ok(Known {
                chats: chats.into_iter().map(chat).collect(),
                saved: saved.into_iter().map(message).collect(),
            })
        },
    )?;
    known.ok_or_else(|| DatabaseError("a row is missing".to_owned()))
}

/// Parses rows that come as one text.
fn rows<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, DatabaseError> {
    serde_json::from_str(text).map_err(|error| DatabaseError(format!("rows in JSON: {error}")))
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

/// A chat's latest messages, oldest first: as many as fit into `bytes`, at least one. SQLite's `length` would count a
/// text only up to its first NUL.
pub(crate) fn latest(
    connection: &Connection,
    chat_id: &str,
    bytes: i64,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM (
                 SELECT *, sum(octet_length(content) + ",
            frame_bytes!(),
            ") OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS shown
                 FROM messages WHERE chat_id = ?1)
             WHERE shown < ?2 + octet_length(content) + ",
            frame_bytes!(),
            " ORDER BY seq"
        ),
        parameters![chat_id, bytes],
        |row| decode(&row),
    )
}

/// A chat's messages after a number, oldest first: at most `limit`, as many as fit into `bytes`, at least one.
pub(crate) fn after(
    connection: &Connection,
    chat_id: &str,
    after_seq: i64,
    limit: Option<i64>,
    bytes: i64,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM (
                 SELECT *, sum(octet_length(content) + ",
            frame_bytes!(),
            ") OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS shown
                 FROM (SELECT * FROM messages WHERE chat_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3))
             WHERE shown < ?4 + octet_length(content) + ",
            frame_bytes!(),
            " ORDER BY seq"
        ),
        // SQLite takes a negative limit as no limit.
        parameters![chat_id, after_seq, limit.unwrap_or(-1), bytes],
        |row| decode(&row),
    )
}

/// About how many bytes a message takes to show.
pub(crate) fn size(message: &Message) -> i64 {
    i64::try_from(message.content.len()).unwrap_or(i64::MAX) + frame_bytes!()
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

/// About how many bytes each range takes to show, in the order given.
pub(crate) fn sizes(connection: &Connection, ranges: &[Range]) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        concat!(
            "SELECT (SELECT coalesce(sum(octet_length(content) + ",
            frame_bytes!(),
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
