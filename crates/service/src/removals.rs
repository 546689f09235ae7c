//! What was removed because it was too old, until the organizer service has it in its record: an outbox.
//!
//! A tick removes a little, so that nobody waits long for the write lock. In the same transaction it adds to a row of
//! the table `removals`, which grows until nothing is left to remove and is then reported: once a day, however many
//! ticks that took. Besides what was removed, the table has `report_id`, which is null while the row grows, and the
//! columns of [`retry`].

use std::fmt::Debug;

use crate::clock::Millis;
use crate::database::{Connection, DatabaseError, Row, execute, query, query_one};
use crate::{notices, parameters, retry};

/// How many reports one tick sends.
const REPORTS: i64 = 100;

/// The time before which something must have ended to be removed: the start of the day, so many days ago, by the
/// database's clock and in UTC. So it is removed, and reported, once a day.
pub fn limit(connection: &Connection, days: u32) -> Result<Millis, DatabaseError> {
    let limit = query_one(
        connection,
        "SELECT (unixepoch() / 86400 - ?1) * 86400000",
        parameters![i64::from(days)],
        |row| row.get(0),
    )?;
    limit.ok_or_else(|| DatabaseError("there is no time".to_owned()))
}

/// Reports what is due, in the order of the removals: `decode` makes a report of a row, which has the report's id and
/// these columns, and `record` sends it. What was removed just now is due once nothing is left to remove. That the
/// organizer service cannot be reached is no error here: the rows stay for a later tick. Two instances may report the
/// same at once, and the record has it once.
pub fn report<Report, Failure: Debug>(
    connection: &Connection,
    is_more_to_remove: bool,
    columns: &str,
    decode: impl Fn(&Row) -> Result<Report, DatabaseError>,
    record: impl FnOnce(&[Report]) -> Result<(), Failure>,
) -> Result<(), DatabaseError> {
    if !is_more_to_remove {
        conclude(connection)?;
    }
    let due = query(
        connection,
        &format!(
            "SELECT report_id, {columns} FROM removals
             WHERE report_id IS NOT NULL AND {is_due} ORDER BY id LIMIT {REPORTS}",
            is_due = retry::is_due(),
        ),
        &[],
        |row| Ok((row.get::<String>(0)?, decode(&row)?)),
    )?;
    if due.is_empty() {
        return Ok(());
    }
    let (ids, reports): (Vec<_>, Vec<_>) = due.into_iter().unzip();
    match record(&reports) {
        Ok(()) => {
            let recorded = serde_json::json!(ids).to_string();
            execute(
                connection,
                "DELETE FROM removals WHERE report_id IN (SELECT value FROM json_each(?1))",
                parameters![recorded],
            )
        }
        Err(error) => {
            retry::postpone(connection, "removals", "report_id", &ids)?;
            notices::print(connection, "removals wait", notices::MINUTE, || {
                format!(
                    "{} removals wait to be recorded, the organizer service did not take them: {error:?}",
                    ids.len()
                )
            })
        }
    }
}

/// Ends the growth of all rows: what is removed from now on is another report.
fn conclude(connection: &Connection) -> Result<(), DatabaseError> {
    // Reading first spares the write lock.
    let growing = query_one(
        connection,
        "SELECT 1 FROM removals WHERE report_id IS NULL LIMIT 1",
        &[],
        |row| row.get::<i64>(0),
    )?;
    match growing {
        Some(_) => execute(
            connection,
            "UPDATE removals SET report_id = lower(hex(randomblob(16))) WHERE report_id IS NULL",
            &[],
        ),
        None => Ok(()),
    }
}
