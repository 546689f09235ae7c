//! Messages of chats.

use relay_protocol::Realm;
use serde::Serialize;
use service::clock::Millis;
use service::database::{DatabaseError, Row, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::store::chats::Chat;
use crate::store::json_list;
use crate::store::revision::NEXT;

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
    /// What makes it be said only once; a description has nothing.
    pub said_by: Option<String>,
    /// The client's own id for it.
    pub client_id: Option<String>,
    /// Nobody wrote it.
    pub is_system: bool,
    /// Where its frame stands among those of the chat.
    pub position: i64,
    /// The revision with which it was shown; 0 for a description, which is shown with the chat.
    pub revision: i64,
}

/// What a message counts besides its content: ids, times, names of fields.
const FRAME_CHARACTERS: u32 = 256;

impl Message {
    /// About how many characters it takes to show it.
    pub(crate) fn characters(&self) -> u32 {
        let content = u32::try_from(self.content.chars().count()).unwrap_or(u32::MAX);
        content.saturating_add(FRAME_CHARACTERS)
    }
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
    pub said_by: &'a str,
    pub client_id: Option<&'a str>,
    pub is_system: bool,
}

/// What is asked of a message, to be read by [`decode`].
const COLUMNS: &str = "chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, said_by, client_id, is_system, position, revision";

/// Appends messages to their chats in the order given, each with its chat's next number, in one statement for all of them. What has
/// been said before is left out, here and in the answer; within `messages` nothing may come twice.
pub(crate) fn append(
    connection: &Connection,
    messages: &[NewMessage],
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        &format!(
            "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, said_by, client_id, is_system, position, revision)
             SELECT chat_id, seq, id, author_id, from_organizer, content, time_sent, lat, lng, said_by, client_id, is_system,
                    seq + (SELECT shifts FROM chats WHERE chats.id = chat_id), {NEXT}
             FROM (SELECT chat_id,
                          (SELECT coalesce(max(seq), 0) FROM messages m WHERE m.chat_id = new.chat_id)
                              + row_number() OVER (PARTITION BY chat_id ORDER BY place) AS seq,
                          id, author_id, from_organizer, content, time_sent, lat, lng, said_by, client_id, is_system
                   FROM (SELECT key AS place,
                                value ->> 'chatId' AS chat_id,
                                value ->> 'id' AS id,
                                value ->> 'authorId' AS author_id,
                                value ->> 'fromOrganizer' AS from_organizer,
                                value ->> 'content' AS content,
                                value ->> 'timeSent' AS time_sent,
                                value ->> 'lat' AS lat,
                                value ->> 'lng' AS lng,
                                value ->> 'saidBy' AS said_by,
                                value ->> 'clientId' AS client_id,
                                value ->> 'isSystem' AS is_system
                         FROM json_each(?1)) AS new
                   WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.said_by = new.said_by))
             WHERE true
             RETURNING {COLUMNS}"
        ),
        &[json_list(&messages)?],
        |row| decode(&row),
    )
}

/// What has been said before.
pub(crate) fn said_by(connection: &Connection, keys: &[&str]) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        &format!("SELECT {COLUMNS} FROM messages WHERE said_by IN (SELECT value FROM json_each(?1))"),
        &[json_list(&keys)?],
        |row| decode(&row),
    )
}

/// The description a chat began with, if its participant gave one.
pub(crate) fn description(connection: &Connection, chat_id: &str) -> Result<Option<Message>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS} FROM messages WHERE chat_id = ?1 AND seq = 1 AND said_by IS NULL"),
        parameters![chat_id],
        |row| decode(&row),
    )
}

/// A chat's latest messages that a party was to be shown with a later revision, from a position on, oldest first. A description is shown with the
/// first `new_chat`; to an organizer only what comes behind theirs is shown.
pub(crate) fn missed(
    connection: &Connection,
    chat: &Chat,
    to: Realm,
    since: i64,
    from: i64,
) -> Result<Vec<Message>, DatabaseError> {
    /// More than that is read from the history.
    const LATEST: i64 = 500;
    let from = match to {
        Realm::Organizer => from.max(chat.new_chat_position),
        Realm::Participant => from,
    };
    let mut missed = query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM messages
             WHERE chat_id = ?1 AND seq >= ?2 - ?3 AND position >= ?2 AND iif(said_by IS NULL, ?4, revision) > ?5
             ORDER BY seq DESC LIMIT ?6"
        ),
        parameters![&chat.id, from, chat.shifts, chat.started_at_revision, since, LATEST],
        |row| decode(&row),
    )?;
    missed.reverse();
    for description in missed.iter_mut().filter(|message| message.said_by.is_none()) {
        description.revision = chat.started_at_revision;
    }
    Ok(missed)
}

/// A chat's latest messages, oldest first: as many as have about so many characters, but one at least.
pub(crate) fn latest(
    connection: &Connection,
    chat_id: &str,
    characters: u32,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM (
                 SELECT *, sum(length(content) + {FRAME_CHARACTERS}) OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS shown
                 FROM messages WHERE chat_id = ?1)
             WHERE shown < ?2 + length(content) + {FRAME_CHARACTERS} ORDER BY seq"
        ),
        parameters![chat_id, i64::from(characters)],
        |row| decode(&row),
    )
}

/// A chat's messages after a number, oldest first: at most so many, and as many as have about so many characters, but one at least.
pub(crate) fn after(
    connection: &Connection,
    chat_id: &str,
    after_seq: i64,
    limit: Option<i64>,
    characters: u32,
) -> Result<Vec<Message>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT {COLUMNS} FROM (
                 SELECT *, sum(length(content) + {FRAME_CHARACTERS}) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS shown
                 FROM (SELECT * FROM messages WHERE chat_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3))
             WHERE shown < ?4 + length(content) + {FRAME_CHARACTERS} ORDER BY seq"
        ),
        // A negative limit is none.
        parameters![chat_id, after_seq, limit.unwrap_or(-1), i64::from(characters)],
        |row| decode(&row),
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
        said_by: row.get(9)?,
        client_id: row.get(10)?,
        is_system: row.get(11)?,
        position: row.get(12)?,
        revision: row.get(13)?,
    })
}
