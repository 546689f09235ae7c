//! Keeping a database's files small, and telling their sizes.
//!
//! SQLite resets its write-ahead log without shrinking the file, and the setting that bounds the file is lost with each
//! connection. So a log that grew while somebody read for long would keep its size.

use crate::database::{Connection, DatabaseError, execute, query_one};

/// Shrinks the write-ahead log to nothing, unless somebody uses it at this moment: then it is for another time. Waits
/// for nobody and never fails. A database that is a server refuses the statements and looks after its log itself.
pub fn truncate_log(connection: &Connection) {
    // The first one copies most of the log without keeping anybody from writing. Without a timeout of nothing the
    // second one would keep writers waiting until the last reader has gone.
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
    /// What the write-ahead log holds.
    pub log: i64,
}

/// The sizes of a database.
pub fn sizes(connection: &Connection) -> Result<Sizes, DatabaseError> {
    /// What the log adds to each page.
    const FRAME_HEADER: i64 = 24;
    let number = |statement: &str, column| {
        let found = query_one(connection, statement, &[], |row| row.get::<i64>(column))?;
        Ok::<_, DatabaseError>(found.unwrap_or_default())
    };
    let page_size = number("PRAGMA page_size", 0)?;
    let pages = number("PRAGMA page_count", 0)?;
    // -1 where there is no write-ahead log.
    let frames = number("PRAGMA wal_checkpoint(PASSIVE)", 1)?.max(0);
    Ok(Sizes {
        database: pages * page_size,
        log: frames * (page_size + FRAME_HEADER),
    })
}
