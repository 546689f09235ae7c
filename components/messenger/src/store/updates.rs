//! The log of updates: everything that sockets are shown because something has happened.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, Row, execute, query, query_one};
use service::parameters;
use sidecar_api::Cursor;
use sidecar_api::update::Body;

use crate::store::sidecars::Exchanged;

/// How long updates are kept.
const KEPT: Millis = 10 * 60 * 1000;

/// The most updates that one tick deletes, so that no tick holds the write lock for long.
const MOST_FORGOTTEN: i64 = 10_000;

/// About the most updates, and bytes of them, in the answer to an exchange. Updates that the answer must have may
/// exceed it.
const MOST: i64 = 1000;
const MOST_BYTES: i64 = 8 * 1024 * 1024;

/// Appends an update, in the transaction of its change, and returns its id. An empty update is skipped.
pub(crate) fn append(connection: &Connection, body: &Body) -> Result<Option<i64>, DatabaseError> {
    if body.is_empty() {
        return Ok(None);
    }
    query_one(
        connection,
        "INSERT INTO updates (body) VALUES (?1) RETURNING id",
        parameters![body.as_str()],
        |row| row.get(0),
    )
}

/// The last update.
pub(crate) fn end(connection: &Connection) -> Result<Cursor, DatabaseError> {
    let end = query_one(
        connection,
        "SELECT id, made_at FROM updates ORDER BY id DESC LIMIT 1",
        &[],
        |row| cursor(&row),
    )?;
    end.ok_or_else(empty)
}

/// A sidecar's position in the log.
pub(crate) struct Position {
    /// The last update.
    pub end: Cursor,
    /// Whether the log has the sidecar's cursor.
    pub is_known: bool,
    /// Whether there are more updates after the cursor than fit into one answer.
    pub is_far_behind: bool,
    /// Whether a waiting organizer can be given a request.
    pub can_assign: bool,
}

/// Where a sidecar is, and its last exchange that changed something, for its exchange with a number. If the row with
/// the cursor's id has another time, the database was restored from a copy since.
pub(crate) fn locate(
    connection: &Connection,
    cursor: Option<Cursor>,
    (sidecar, number): (&str, i64),
) -> Result<(Position, Option<Exchanged>), DatabaseError> {
    let (id, made_at) = cursor.map(|cursor| (cursor.id, cursor.made_at)).unzip();
    let located = query_one(
        connection,
        concat!(
            "SELECT u.id, u.made_at,
                    EXISTS (SELECT 1 FROM updates WHERE id = ?1 AND made_at = ?2),
                    u.id - ?1 > ?3 OR (SELECT sum(octet_length(body)) FROM updates WHERE id > ?1) > ?4,
                    EXISTS (SELECT 1 FROM waiting_organizers w WHERE ",
            can_be_given_a_request!(),
            "),
                    s.number, s.first_id, s.at_id, s.at_made_at, iif(s.number = ?6, s.replies, NULL)
             FROM updates u LEFT JOIN sidecars s ON s.name = ?5
             ORDER BY u.id DESC LIMIT 1"
        ),
        parameters![id, made_at, MOST, MOST_BYTES, sidecar, number],
        |row| {
            let is_known = row.get(2)?;
            let position = Position {
                end: self::cursor(&row)?,
                is_known,
                is_far_behind: is_known && row.get::<Option<bool>>(3)?.unwrap_or_default(),
                can_assign: row.get(4)?,
            };
            Ok((position, Exchanged::decode(&row, 5)?))
        },
    )?;
    located.ok_or_else(empty)
}

/// An update of the log.
pub(crate) struct Update {
    pub cursor: Cursor,
    /// When the update before it was committed.
    pub previous_made_at: i64,
    pub body: String,
}

/// The updates after a cursor: all up to `at_least`, and more while they fit into the answer. The first is always
/// included.
pub(crate) fn after(
    connection: &Connection,
    after: i64,
    at_least: i64,
) -> Result<Vec<Update>, DatabaseError> {
    query(
        connection,
        "WITH sized AS (
             SELECT id, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
             FROM (SELECT id, octet_length(body) AS size FROM updates WHERE id > ?1 ORDER BY id LIMIT ?3))
         SELECT id, made_at, body,
                coalesce((SELECT made_at FROM updates AS previous WHERE previous.id = updates.id - 1), 0)
         FROM updates
         WHERE id > ?1 AND id <= max(?1 + 1, ?2, (SELECT coalesce(max(id), 0) FROM sized WHERE bytes <= ?4))
         ORDER BY id",
        parameters![after, at_least, MOST, MOST_BYTES],
        |row| {
            Ok(Update {
                cursor: cursor(&row)?,
                body: row.get(2)?,
                previous_made_at: row.get(3)?,
            })
        },
    )
}

/// Deletes old updates. An update stays until its successor is old as well, so that a sidecar that has asked within
/// that time finds its cursor in the log.
pub(crate) fn forget_old(connection: &Connection) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "DELETE FROM updates
             WHERE id < (SELECT min(id) FROM updates) + ?2
               AND id < coalesce((SELECT id FROM updates WHERE made_at >= ",
            now!(),
            " - ?1 ORDER BY id LIMIT 1) - 1,
                                 (SELECT max(id) FROM updates))"
        ),
        parameters![KEPT, MOST_FORGOTTEN],
    )
}

/// How many updates there are.
pub(crate) fn count(connection: &Connection) -> Result<i64, DatabaseError> {
    let count = query_one(
        connection,
        "SELECT (SELECT max(id) FROM updates) - (SELECT min(id) FROM updates) + 1",
        &[],
        |row| row.get(0),
    )?;
    count.ok_or_else(empty)
}

fn cursor(row: &Row) -> Result<Cursor, DatabaseError> {
    Ok(Cursor {
        id: row.get(0)?,
        made_at: row.get(1)?,
    })
}

/// A migration writes the first update, and the last one is never deleted.
fn empty() -> DatabaseError {
    DatabaseError("the log of updates is empty".to_owned())
}
