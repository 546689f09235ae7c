//! The messenger database: one function per question, each with its SQL and its row decoding.

/// In SQL, the time now by the database's clock. Clocks of hosts differ, so all compared times come from this one. A
/// macro, so that `concat!` takes it.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}

/// In SQL, whether the waiting organizer `w` can be given a request: a request waits, the organizer may have another
/// chat, and is here. An organizer is here if a sidecar has just reported them, or if they have just asked to wait.
/// Times that lie ahead are from before the clock was set back, and do not count.
macro_rules! can_be_given_a_request {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM chats c WHERE c.agency_id = w.agency_id AND c.state = 'waiting')
             AND (w.max_open_chats IS NULL
                  OR (SELECT count(*) FROM chats c WHERE c.organizer_id = w.organizer_id AND c.state = 'active')
                      < w.max_open_chats)
             AND (w.since BETWEEN ",
            now!(),
            " - 5000 AND ",
            now!(),
            " OR EXISTS (SELECT 1 FROM attendance a
                         WHERE a.organizer_id = w.organizer_id AND a.is_here = 1 AND a.seen_at BETWEEN ",
            now!(),
            " - 5000 AND ",
            now!(),
            "))"
        )
    };
}

pub(crate) mod attendance;
pub(crate) mod canary;
pub(crate) mod chats;
pub(crate) mod contacts;
pub(crate) mod figures;
pub(crate) mod hand_overs;
pub(crate) mod lock_releases;
pub(crate) mod messages;
pub(crate) mod queue;
pub(crate) mod removals;
pub(crate) mod sidecars;
pub(crate) mod sizes;
pub(crate) mod stored;
pub(crate) mod ticks;
pub(crate) mod updates;

use serde::Serialize;
use service::database::{self, Connection, DatabaseError};
use spin_sdk::sqlite3::Value;

use crate::error::Error;

/// The manifest's label for this service's database.
const LABEL: &str = "messenger";

const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/messenger/0001_init.sql"),
    include_str!("../../../../migrations/messenger/0002_guests.sql"),
    include_str!("../../../../migrations/messenger/0003_figures.sql"),
    include_str!("../../../../migrations/messenger/0004_retention.sql"),
    include_str!("../../../../migrations/messenger/0005_canary.sql"),
    include_str!("../../../../migrations/messenger/0006_ticks.sql"),
];

/// Opens the database.
pub(crate) fn open() -> Result<Connection, Error> {
    Ok(database::open(LABEL, MIGRATIONS)?)
}

/// A list as one parameter, to be read with `json_each`: one call into the host for all of it.
fn json_list(list: &impl Serialize) -> Result<Value, DatabaseError> {
    serde_json::to_string(list)
        .map(Value::Text)
        .map_err(|error| DatabaseError(error.to_string()))
}
