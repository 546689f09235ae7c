//! When the messenger was last ticked. Without ticks undelivered presses, orphaned chats and old rows stay as they are,
//! although every process is healthy.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, query_one};
use service::parameters;

/// The time is written at most so often: ticks come every second or two.
const PAUSE: Millis = 30 * 1000;

/// Notes that the messenger is ticked. Returns whether the time was written: true at one tick in half a minute.
pub(crate) fn record(connection: &Connection) -> Result<bool, DatabaseError> {
    let written = query_one(
        connection,
        concat!(
            // A clock that was set back must not hide that ticks are missing.
            "UPDATE ticks SET ticked_at = ",
            now!(),
            " WHERE ticked_at NOT BETWEEN ",
            now!(),
            " - ?1 AND ",
            now!(),
            " RETURNING 1"
        ),
        parameters![PAUSE],
        |row| row.get::<i64>(0),
    )?;
    Ok(written.is_some())
}

/// How long ago the last tick was, in seconds; up to [`PAUSE`] too much.
pub(crate) fn age_seconds(connection: &Connection) -> Result<i64, DatabaseError> {
    let age = query_one(
        connection,
        concat!("SELECT max(", now!(), " - ticked_at, 0) / 1000 FROM ticks"),
        &[],
        |row| row.get(0),
    )?;
    Ok(age.unwrap_or_default())
}
