//! Notices to the operator, printed at most once per interval. An instance keeps no state, so the table `notices`, in
//! the database of each service that prints any, stores when a notice was last printed.

use std::time::Duration;

use crate::database::{Connection, DatabaseError, NOW, query_one};
use crate::parameters;

/// The interval for lasting conditions, such as a setting.
pub const HOUR: Duration = Duration::from_secs(3600);

/// The interval for conditions that may end by themselves.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Prints a notice, unless any instance has printed one of that name within `pause`.
pub fn print(
    connection: &Connection,
    name: &str,
    pause: Duration,
    text: impl FnOnce() -> String,
) -> Result<(), DatabaseError> {
    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    // Reading first avoids taking the contended write lock. A notice that lies ahead is from before the clock was set
    // back.
    let printed = query_one(
        connection,
        &format!("SELECT 1 FROM notices WHERE name = ?1 AND printed_at > {NOW} - ?2 AND printed_at <= {NOW}"),
        parameters![name, pause],
        |row| row.get::<i64>(0),
    )?;
    if printed.is_some() {
        return Ok(());
    }
    let is_ours = query_one(
        connection,
        &format!(
            "INSERT INTO notices (name, printed_at) VALUES (?1, {NOW})
             ON CONFLICT (name) DO UPDATE SET printed_at = excluded.printed_at
             WHERE notices.printed_at <= excluded.printed_at - ?2 OR notices.printed_at > excluded.printed_at
             RETURNING 1"
        ),
        parameters![name, pause],
        |row| row.get::<i64>(0),
    )?;
    if is_ours.is_some() {
        crate::warn!("{}", text());
    }
    Ok(())
}
