//! How often the messenger has changed something that sockets are shown.

use service::database::{DatabaseError, query_one};
use spin_sdk::sqlite3::Connection;

/// In SQL, what [`advance`] will make of it in the transaction under way.
pub(crate) const NEXT: &str = "(SELECT number + 1 FROM revision)";

/// How often so far.
pub(crate) fn current(connection: &Connection) -> Result<i64, DatabaseError> {
    let number = query_one(connection, "SELECT number FROM revision", &[], |row| row.get(0))?;
    Ok(number.unwrap_or_default())
}

/// Counts the change that the transaction makes.
pub(crate) fn advance(connection: &Connection) -> Result<i64, DatabaseError> {
    let number = query_one(
        connection,
        "UPDATE revision SET number = number + 1 RETURNING number",
        &[],
        |row| row.get(0),
    )?;
    Ok(number.unwrap_or_default())
}
