//! Whose credentials may not be valid any more: what triggers have noted in a service's table `revocations`, for those who keep sockets
//! open. Who is named is to be checked again; the credentials may still be good.

use spin_sdk::sqlite3::Connection;

use crate::database::{DatabaseError, query, query_one, snapshot};
use crate::internal::Revocations;
use crate::parameters;

/// At most this many rows are told at once. Who is further behind does better to ask about everybody.
const MOST: i64 = 1000;

/// What has been noted after the row `since`. Without it, or when rows are missing, the answer is not complete, and everybody is to be
/// checked again.
pub fn since(connection: &Connection, since: Option<i64>) -> Result<Revocations, DatabaseError> {
    snapshot(connection, |connection| {
        let last = query_one(
            connection,
            "SELECT seq FROM sqlite_sequence WHERE name = 'revocations'",
            &[],
            |row| row.get::<i64>(0),
        )?
        .unwrap_or_default();
        let rows = query(
            connection,
            "SELECT user_id, agency_id FROM revocations WHERE id > ?1 ORDER BY id LIMIT ?2",
            parameters![since.unwrap_or(last), MOST],
            |row| Ok((row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?)),
        )?;
        let noted = since.map(|since| last - since);
        Ok(Revocations {
            last,
            complete: noted.is_some_and(|noted| usize::try_from(noted) == Ok(rows.len())),
            users: rows.iter().filter_map(|(user, _)| *user).collect(),
            agencies: rows.iter().filter_map(|(_, agency)| *agency).collect(),
        })
    })
}
