//! The messenger database: one function per question, each with its SQL and its row decoding.

pub(crate) mod attendance;
pub(crate) mod chats;
pub(crate) mod contacts;
pub(crate) mod messages;
pub(crate) mod news;
pub(crate) mod outbox;
pub(crate) mod queue;
pub(crate) mod revision;
pub(crate) mod sidecars;

use serde::Serialize;
use service::database::{self, DatabaseError};
use spin_sdk::sqlite3::{Connection, Value};

use crate::error::Error;

/// The manifest's label for this service's database.
const LABEL: &str = "messenger";

const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/messenger/0001_init.sql"),
    include_str!("../../../../migrations/messenger/0002_cancelling_and_forgetting.sql"),
    include_str!("../../../../migrations/messenger/0003_protocol_2.sql"),
    include_str!("../../../../migrations/messenger/0004_news_and_attendance.sql"),
    include_str!("../../../../migrations/messenger/0005_revision_and_sidecars.sql"),
    include_str!("../../../../migrations/messenger/0006_arrival_in_one_statement.sql"),
    include_str!("../../../../migrations/messenger/0007_indexes.sql"),
    include_str!("../../../../migrations/messenger/0008_contacts.sql"),
    include_str!("../../../../migrations/messenger/0009_missed_frames.sql"),
];

/// Opens the database.
pub(crate) fn open() -> Result<Connection, Error> {
    database::open(LABEL, MIGRATIONS, |_, _| Ok(()))
}

/// A list as one parameter, to be read with `json_each`: one call into the host for all of it.
fn json_list(list: &impl Serialize) -> Result<Value, DatabaseError> {
    serde_json::to_string(list)
        .map(Value::Text)
        .map_err(|error| DatabaseError(error.to_string()))
}
