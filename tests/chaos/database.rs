//! The contents of the databases, read from their files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::history::{Message, Millis, Side, User};
use crate::schema;
use crate::settings::SERVICES;

/// The contents of the messenger's and the participant's database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) chats: Vec<Chat>,
    /// The messages of each chat in the order of their numbers.
    pub(crate) messages: BTreeMap<String, Vec<Stored>>,
    pub(crate) locks: Vec<Lock>,
    /// Presses in the participant's outbox.
    pub(crate) undelivered: Vec<Undelivered>,
    /// How many releases of locks are in the messenger's outbox.
    pub(crate) unreleased: u32,
    /// How many changes of contacts wait to be delivered to the messenger.
    pub(crate) untold: u32,
    /// By participant: the current phone numbers, and those that the messenger knows.
    pub(crate) phone_numbers: BTreeMap<i64, String>,
    pub(crate) known_phone_numbers: BTreeMap<i64, String>,
    /// What SQLite's checks of the files report.
    pub(crate) damage: Vec<String>,
    /// By service: the version of the schema, and the newest that its program knows.
    pub(crate) versions: BTreeMap<&'static str, [i64; 2]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) id: String,
    pub(crate) request_id: String,
    pub(crate) agency_id: i64,
    pub(crate) event_id: i64,
    pub(crate) participant_id: i64,
    pub(crate) state: String,
    pub(crate) pressed_at: Millis,
    pub(crate) organizer_id: Option<i64>,
    pub(crate) time_start: Option<Millis>,
    pub(crate) time_end: Option<Millis>,
    /// Of two requests with the same time of press, the one that arrived first is first.
    pub(crate) arrival: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) message: Message,
    /// The messenger wrote it, to note that the chat changed hands.
    pub(crate) is_system: bool,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Lock {
    pub(crate) participant_id: i64,
    pub(crate) event_id: i64,
    pub(crate) request_id: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    pub(crate) request_id: String,
    pub(crate) description: String,
}

/// The last ids before a round of clients began. What is up to them belongs to others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    pub(crate) agency: i64,
    pub(crate) participant: i64,
}

impl Before {
    pub(crate) fn now(organizer: &Path, participant: &Path) -> Result<Before> {
        let last = |path: &Path, table: &str| -> Result<i64> {
            let sql = format!("SELECT coalesce(max(id), 0) FROM {table}");
            Ok(open(path)?.query_row(&sql, (), |row| row.get(0))?)
        };
        Ok(Before {
            agency: last(organizer, "agencies")?,
            participant: last(participant, "participants")?,
        })
    }
}

impl Record {
    /// Reads from the files what came after `before`. Services may write to them meanwhile.
    pub(crate) fn read(messenger: &Path, participant: &Path, before: Before) -> Result<Record> {
        let messenger = open(messenger)?;
        let participant = open(participant)?;
        // In this order, a press on its way from one database to the other is seen twice rather than not at all.
        let undelivered = rows(
            &participant,
            "SELECT request_id, description FROM outbox WHERE participant_id > ?1",
            [before.participant],
            |row| {
                Ok(Undelivered {
                    request_id: row.get(0)?,
                    description: row.get(1)?,
                })
            },
        )?;
        let snapshot = messenger.unchecked_transaction()?;
        let chats = rows(
            &messenger,
            "SELECT id, request_id, agency_id, event_id, participant_id, state, pressed_at, organizer_id,
                    time_start, time_end, arrival
             FROM chats WHERE agency_id > ?1 ORDER BY id",
            [before.agency],
            chat,
        )?;
        let stored = rows(
            &messenger,
            "SELECT chat_id, seq, id, from_organizer, author_id, content, is_system FROM messages
             WHERE chat_id IN (SELECT id FROM chats WHERE agency_id > ?1)
             ORDER BY chat_id, seq",
            [before.agency],
            stored,
        )?;
        drop(snapshot);
        let known_phone_numbers = phone_numbers(
            &messenger,
            "SELECT participant_id, phone_number FROM contacts
             WHERE participant_id > ?1",
            before,
        )?;
        let untold = participant.query_row("SELECT count(*) FROM contact_changes", (), |row| row.get(0))?;
        let phone_numbers = phone_numbers(
            &participant,
            "SELECT id, phone_number FROM participants WHERE id > ?1",
            before,
        )?;
        let mut messages: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        for stored in stored {
            messages
                .entry(stored.message.chat_id.clone())
                .or_default()
                .push(stored);
        }
        let unreleased = messenger.query_row("SELECT count(*) FROM lock_releases", (), |row| row.get(0))?;
        let locks = rows(
            &participant,
            "SELECT participant_id, event_id, request_id FROM locks WHERE participant_id > ?1",
            [before.participant],
            |row| {
                Ok(Lock {
                    participant_id: row.get(0)?,
                    event_id: row.get(1)?,
                    request_id: row.get(2)?,
                })
            },
        )?;
        Ok(Record {
            chats,
            messages,
            locks,
            undelivered,
            unreleased,
            untold,
            phone_numbers,
            known_phone_numbers,
            damage: Vec::new(),
            versions: BTreeMap::new(),
        })
    }

    /// Runs SQLite's checks of the files of all services, and reads the versions of their schemas.
    pub(crate) fn examine(&mut self, files: &[PathBuf; 3]) -> Result<()> {
        for (service, file) in SERVICES.into_iter().zip(files) {
            let connection = open(file)?;
            let newest = i64::try_from(schema::migrations(service)?.len())?;
            self.versions
                .insert(service, [schema::version(&connection)?, newest]);
            for pragma in ["integrity_check", "foreign_key_check"] {
                let found: Vec<String> =
                    rows(&connection, &format!("PRAGMA {pragma}"), [], |row| row.get(0))?;
                let wrong = found.into_iter().filter(|line| line != "ok");
                self.damage
                    .extend(wrong.map(|line| format!("{}: {line}", file.display())));
            }
        }
        Ok(())
    }

    pub(crate) fn messages_of(&self, chat_id: &str) -> &[Stored] {
        self.messages.get(chat_id).map_or(&[], Vec::as_slice)
    }

    /// The chats in which a user may send messages.
    pub(crate) fn open_to(&self, user: User) -> impl Iterator<Item = &Chat> {
        self.chats.iter().filter(move |chat| match user.side {
            Side::Organizer => chat.state == "active" && chat.organizer_id == Some(user.id),
            Side::Participant => {
                chat.participant_id == user.id && chat.state != "ended" && chat.time_start.is_some()
            }
        })
    }

    /// Whether a chat was ever put back into the queue or transferred.
    pub(crate) fn has_notes(&self, chat_id: &str) -> bool {
        self.messages_of(chat_id).iter().any(|stored| stored.is_system)
    }

    /// The position of a waiting chat in its agency's queue.
    pub(crate) fn position(&self, chat: &Chat) -> usize {
        let ahead = |other: &&Chat| {
            other.agency_id == chat.agency_id
                && other.state == "waiting"
                && (other.pressed_at, other.arrival) < (chat.pressed_at, chat.arrival)
        };
        1 + self.chats.iter().filter(ahead).count()
    }
}

pub(crate) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("could not open {}", path.display()))?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn rows<T, const N: usize>(
    connection: &Connection,
    sql: &str,
    parameters: [i64; N],
    decode: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params_from_iter(parameters), decode)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn phone_numbers(connection: &Connection, sql: &str, before: Before) -> Result<BTreeMap<i64, String>> {
    let found = rows(connection, sql, [before.participant], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(found.into_iter().collect())
}

fn chat(row: &Row<'_>) -> rusqlite::Result<Chat> {
    Ok(Chat {
        id: row.get(0)?,
        request_id: row.get(1)?,
        agency_id: row.get(2)?,
        event_id: row.get(3)?,
        participant_id: row.get(4)?,
        state: row.get(5)?,
        pressed_at: row.get(6)?,
        organizer_id: row.get(7)?,
        time_start: row.get(8)?,
        time_end: row.get(9)?,
        arrival: row.get(10)?,
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let from_organizer: bool = row.get(3)?;
    let side = if from_organizer {
        Side::Organizer
    } else {
        Side::Participant
    };
    Ok(Stored {
        message: Message {
            chat_id: row.get(0)?,
            seq: row.get(1)?,
            id: row.get(2)?,
            author: User {
                side,
                id: row.get(4)?,
            },
            content: row.get(5)?,
        },
        is_system: row.get(6)?,
    })
}
