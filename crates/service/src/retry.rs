//! Schedules retries of calls to other services. Each outbox table has two columns for it: `attempts`, how often the
//! call has failed, and `due_at`, when to retry by the database's clock.

use serde::Serialize;

use crate::clock::Millis;
use crate::database::{Connection, DatabaseError, NOW, execute};
use crate::parameters;

const FIRST_PAUSE: Millis = 1_000;

/// The longest pause is short, because a person in need may be waiting. No call that is under way keeps its row longer
/// either.
const LONGEST_PAUSE: Millis = 10_000;

/// In SQL, whether a row is due. If its time is farther away than the longest pause, the clock was set back: then it is
/// due at once, and does not wait until the clock has caught up.
pub fn is_due() -> String {
    format!("(due_at <= {NOW} OR due_at > {NOW} + {LONGEST_PAUSE})")
}

/// Postpones rows whose delivery failed: each is due again after a pause that doubles with every failure. `key` is the
/// column that identifies the rows, and `ids` are its values.
pub fn postpone<Id: Serialize>(
    connection: &Connection,
    table: &str,
    key: &str,
    ids: &[Id],
) -> Result<(), DatabaseError> {
    let ids = serde_json::to_string(ids).map_err(|error| DatabaseError(error.to_string()))?;
    execute(connection, &postpone_sql(table, key), parameters![ids])
}

fn postpone_sql(table: &str, key: &str) -> String {
    // Four doublings reach the longest pause.
    format!(
        "UPDATE {table}
         SET attempts = attempts + 1, due_at = {NOW} + min({FIRST_PAUSE} << min(attempts, 4), {LONGEST_PAUSE})
         WHERE {key} IN (SELECT value FROM json_each(?1))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause after a number of failed attempts.
    fn pause(attempts: i64) -> Millis {
        (FIRST_PAUSE << attempts.clamp(0, 4)).min(LONGEST_PAUSE)
    }

    #[test]
    fn a_postponed_row_waits_longer_each_time() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE TABLE outbox (id TEXT, attempts INTEGER DEFAULT 0, due_at INTEGER DEFAULT 0);
                 INSERT INTO outbox (id) VALUES ('a'), ('b')",
            )
            .unwrap();
        let now = format!("SELECT {NOW}");
        let row = |id: &str| {
            let sql = "SELECT attempts, due_at FROM outbox WHERE id = ?1";
            let columns = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            database.query_row(sql, [id], columns).unwrap()
        };
        let now = || database.query_row(&now, (), |row| row.get::<_, i64>(0)).unwrap();
        for attempts in 0..6 {
            let before = now();
            database
                .execute(&postpone_sql("outbox", "id"), [r#"["a"]"#])
                .unwrap();
            let (failed, due_at) = row("a");
            assert_eq!(failed, attempts + 1);
            let due = before + pause(attempts)..=now() + pause(attempts);
            assert!(due.contains(&due_at), "{due_at} is not in {due:?}");
        }
        assert_eq!(row("b"), (0, 0), "other rows stay as they are");
    }

    #[test]
    fn a_row_is_due_after_its_pause_or_when_the_clock_was_set_back() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let is_due = |in_millis: Millis| {
            let sql = format!("SELECT {} FROM (SELECT {NOW} + ?1 AS due_at)", is_due());
            database
                .query_row(&sql, [in_millis], |row| row.get::<_, bool>(0))
                .unwrap()
        };
        for (in_millis, expected) in [
            (-3_600_000, true),
            (0, true),
            (1, false),
            (LONGEST_PAUSE, false),
            (LONGEST_PAUSE + 1, true),
            (3_600_000, true),
        ] {
            assert_eq!(is_due(in_millis), expected, "in {in_millis} ms");
        }
    }
}
