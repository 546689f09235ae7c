//! The last exchange of each sidecar that changed something, so that a retry of it changes nothing.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query_one};
use service::parameters;
use sidecar_api::Cursor;

/// A sidecar that was silent for this long does not retry its exchange.
const KEPT: Millis = 60 * 60 * 1000;

/// An exchange that was carried out.
pub(crate) struct Exchanged {
    pub number: i64,
    /// The first update that it has committed; after `at` if there is none.
    pub first_id: i64,
    /// The end of the log when it was done.
    pub at: Cursor,
    /// A JSON list. Read only for a retry of this exchange.
    pub replies: String,
}

impl Exchanged {
    /// Reads number, `first_id`, `at_id`, `at_made_at` and replies from the columns that begin at `from`.
    pub(crate) fn decode(row: &Row, from: usize) -> Result<Option<Exchanged>, DatabaseError> {
        let number: Option<i64> = row.get(from)?;
        let Some(number) = number else {
            return Ok(None);
        };
        let replies: Option<String> = row.get(from + 4)?;
        Ok(Some(Exchanged {
            number,
            first_id: row.get(from + 1)?,
            at: Cursor {
                id: row.get(from + 2)?,
                made_at: row.get(from + 3)?,
            },
            replies: replies.unwrap_or_default(),
        }))
    }
}

/// Stores a completed exchange, and returns the end of the log. Call it last in the exchange's transaction.
pub(crate) fn record(
    connection: &Connection,
    sidecar: &str,
    number: i64,
    first_id: i64,
    replies: &str,
) -> Result<Cursor, DatabaseError> {
    let at = query_one(
        connection,
        concat!(
            "INSERT INTO sidecars (name, number, first_id, replies, at_id, at_made_at, seen_at)
             SELECT ?1, ?2, ?3, ?4, id, made_at, ",
            now!(),
            " FROM updates WHERE id = (SELECT max(id) FROM updates)
             ON CONFLICT (name) DO UPDATE SET number = excluded.number, first_id = excluded.first_id,
                 replies = excluded.replies, at_id = excluded.at_id, at_made_at = excluded.at_made_at,
                 seen_at = excluded.seen_at
             RETURNING at_id, at_made_at"
        ),
        parameters![sidecar, number, first_id, replies],
        |row| {
            Ok(Cursor {
                id: row.get(0)?,
                made_at: row.get(1)?,
            })
        },
    )?;
    at.ok_or_else(|| DatabaseError("the log of updates is empty".to_owned()))
}

/// Deletes sidecars that have ended.
pub(crate) fn forget_old(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!("DELETE FROM sidecars WHERE seen_at < ", now!(), " - ?1"),
        parameters![KEPT],
    )
}
