//! The participant database: one function per question, each with its SQL and its row decoding.

pub(crate) mod canary;
pub(crate) mod contact_changes;
pub(crate) mod export;
pub(crate) mod hand_overs;
pub(crate) mod known_events;
pub(crate) mod participants;
pub(crate) mod removals;
pub(crate) mod requests;
pub(crate) mod undelivered;

use service::database;
use service::database::{Connection, DatabaseError};

/// The manifest's label for this service's database.
const LABEL: &str = "participant";

const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/participant/0001_init.sql"),
    include_str!("../../../../migrations/participant/0002_guests.sql"),
    include_str!("../../../../migrations/participant/0003_removals.sql"),
    include_str!("../../../../migrations/participant/0004_waiting_changes.sql"),
];

/// Opens the database.
pub(crate) fn open() -> Result<Connection, DatabaseError> {
    database::open(LABEL, MIGRATIONS)
}
