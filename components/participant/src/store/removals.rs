//! What was removed because it was too old, to be recorded: see [`service::removals`].

use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute};
use service::parameters;

use crate::bindings::mayday::platform::ledger::{Removal, Removed, RemovedUnseen};

/// Adds to what was removed, if anything was. Call it in the transaction that removes it.
pub(crate) fn note(
    connection: &Connection,
    last_seen_before: Millis,
    guests: usize,
    known_events: usize,
) -> Result<(), DatabaseError> {
    if guests + known_events == 0 {
        return Ok(());
    }
    let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
    execute(
        connection,
        "INSERT INTO removals (last_seen_before, guests, known_events) VALUES (?1, ?2, ?3)
         ON CONFLICT (last_seen_before) WHERE report_id IS NULL
         DO UPDATE SET guests = guests + excluded.guests, known_events = known_events + excluded.known_events",
        parameters![last_seen_before, count(guests), count(known_events)],
    )
}

/// What a report has, to be read by [`decode`].
pub(crate) const COLUMNS: &str = "last_seen_before, guests, known_events";

/// The report of a row.
pub(crate) fn decode(row: &Row) -> Result<Removal, DatabaseError> {
    Ok(Removal {
        id: row.get(0)?,
        removed: Removed::Unseen(RemovedUnseen {
            last_seen_before: row.get(1)?,
            guests: row.get(2)?,
            known_events: row.get(3)?,
        }),
    })
}
