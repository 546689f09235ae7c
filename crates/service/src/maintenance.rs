//! Keeps a database's files small, and reports their sizes.
//!
//! SQLite resets its write-ahead log without shrinking the file, and the setting that bounds the file ends with each
//! connection. So a log that grew during a long read would keep its size.

use crate::database::{Connection, DatabaseError, execute, query_one};

/// Truncates the write-ahead log, unless another connection uses it at this moment. Does not wait and never fails. A
/// libSQL server refuses the first statement and manages its log itself.
pub fn truncate_log(connection: &Connection) {
    // The first checkpoint copies most of the log without blocking writers. Without the timeout of zero the truncating
    // one would block writers until the last reader has finished.
    for statement in [
        "PRAGMA wal_checkpoint(PASSIVE)",
        "PRAGMA busy_timeout = 0",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        if execute(connection, statement, &[]).is_err() {
            return;
        }
    }
}

/// How many bytes a database has.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub database: i64,
    /// The size of the write-ahead log; `None` if the database did not tell it, as a libSQL server does not.
    pub log: Option<i64>,
}

/// The sizes of a database.
pub fn sizes(connection: &Connection) -> Result<Sizes, DatabaseError> {
    /// The bytes that the log adds to each page.
    const FRAME_HEADER: i64 = 24;
    let number = |statement: &str, column| {
        let found = query_one(connection, statement, &[], |row| row.get::<i64>(column))?;
        Ok::<_, DatabaseError>(found.unwrap_or_default())
    };
    let page_size = number("PRAGMA page_size", 0)?;
    let pages = number("PRAGMA page_count", 0)?;
    // -1 where there is no write-ahead log.
    let frames = number("PRAGMA wal_checkpoint(PASSIVE)", 1).ok();
    Ok(Sizes {
        database: pages * page_size,
        log: frames.map(|frames| frames.max(0) * (page_size + FRAME_HEADER)),
    })
}
