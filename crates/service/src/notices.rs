//! What an operator should hear of, but not at every request. An instance remembers nothing, so a table remembers when
//! a notice was last printed: `notices`, in the database of each service that has any to print.

use std::time::Duration;

use crate::database::{Connection, DatabaseError, NOW, query_one};
use crate::parameters;

/// For what stays as it is until somebody changes it.
pub const HOUR: Duration = Duration::from_secs(3600);

/// For what may end by itself.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Prints a notice, unless one of that name was printed within `pause`, by whichever instance.
pub fn print(
    connection: &Connection,
    name: &str,
    pause: Duration,
    text: impl FnOnce() -> String,
) -> Result<(), DatabaseError> {
    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    // Reading first spares the write lock, for which others may be waiting.
    let printed = query_one(
        connection,
        &format!("SELECT 1 FROM notices WHERE name = ?1 AND printed_at > {NOW} - ?2"),
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
             WHERE notices.printed_at <= excluded.printed_at - ?2
             RETURNING 1"
        ),
        parameters![name, pause],
        |row| row.get::<i64>(0),
    )?;
    if is_ours.is_some() {
        eprintln!("{}", text());
    }
    Ok(())
}
