//! Users whose credentials may have been revoked, for the sidecars, which keep sockets open. Triggers insert them into
//! a service's table `revocations`. Readers authenticate these users again, because their credentials may still be
//! valid.

use crate::database::{Connection, DatabaseError, query, query_one, snapshot};
use crate::internal::Revocations;
use crate::parameters;

/// The most rows in one answer. A reader that is further behind checks all users, which is cheaper.
const MOST: i64 = 1000;

/// The rows after the row `since`. Without it, or when rows are missing, the answer is incomplete, and the reader has
/// to check all users.
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
