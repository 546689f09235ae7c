//! The sizes of the database's files.

use service::database::{Connection, DatabaseError, query_one};

/// How many bytes the files have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub database: i64,
    /// The size of the write-ahead log; `None` if the database did not tell it, as a libSQL server does not.
    pub log: Option<i64>,
}

pub(crate) fn read(connection: &Connection) -> Result<Sizes, DatabaseError> {
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
