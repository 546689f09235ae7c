//! The outbox of lock releases for closed requests.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query, query_one};
use service::parameters;
use service::retry;

use crate::store::chats::Chat;
use crate::store::json_list;

/// A lock to release.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub request_id: String,
    pub participant_id: i64,
    pub event_id: i64,
}

impl Release {
    /// The lock that a closed chat's request holds.
    pub(crate) fn of(chat: &Chat) -> Release {
        Release {
            request_id: chat.request_id.clone(),
            participant_id: chat.participant_id,
            event_id: chat.event_id,
        }
    }
}

/// Adds a release with its announcement, due after `due_in`. Call it in the transaction that closes the chat.
pub(crate) fn add(connection: &Connection, release: &Release, due_in: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        concat!(
            "INSERT INTO lock_releases (request_id, participant_id, event_id, due_at, must_announce)
             VALUES (?1, ?2, ?3, ",
            now!(),
            " + ?4, 1) ON CONFLICT DO NOTHING"
        ),
        parameters![
            &release.request_id,
            release.participant_id,
            release.event_id,
            due_in
        ],
    )
}

/// Releases that have failed at least once.
pub(crate) struct Failed {
    pub count: i64,
    /// How long ago the chat ended that has waited longest; 0 for none.
    pub oldest_seconds: i64,
}

/// What has failed, from the index of failed releases, without the canary's, whose ids are below 0. Of those tried most
/// often, which are the oldest, it looks up a few.
pub(crate) fn failed(connection: &Connection) -> Result<Failed, DatabaseError> {
    let failed = query_one(
        connection,
        concat!(
            "SELECT (SELECT count(*) FROM lock_releases WHERE attempts > 0 AND participant_id > 0),
                    coalesce(max(0, (",
            now!(),
            " - min(time_end)) / 1000), 0)
             FROM (SELECT c.time_end
                   FROM (SELECT request_id FROM lock_releases WHERE attempts > 0 AND participant_id > 0
                         ORDER BY attempts DESC LIMIT 20) r
                   JOIN chats c ON c.request_id = r.request_id)"
        ),
        &[],
        |row| {
            Ok(Failed {
                count: row.get(0)?,
                oldest_seconds: row.get(1)?,
            })
        },
    )?;
    failed.ok_or_else(|| DatabaseError("there is no count".to_owned()))
}

/// The due releases, oldest first.
pub(crate) fn due(connection: &Connection, limit: i64) -> Result<Vec<Release>, DatabaseError> {
    query(
        connection,
        &format!(
            "SELECT request_id, participant_id, event_id FROM lock_releases WHERE {is_due} ORDER BY due_at LIMIT ?1",
            is_due = retry::is_due(),
        ),
        parameters![limit],
        |row| {
            Ok(Release {
                request_id: row.get(0)?,
                participant_id: row.get(1)?,
                event_id: row.get(2)?,
            })
        },
    )
}

/// Whether a pending release has failed before.
pub(crate) fn has_failed(connection: &Connection) -> Result<bool, DatabaseError> {
    let failed = query_one(
        connection,
        "SELECT 1 FROM lock_releases WHERE attempts > 0 LIMIT 1",
        &[],
        |row| row.get::<i64>(0),
    )?;
    Ok(failed.is_some())
}

/// Claims the announcement of closed chats. Returns the requests that were not claimed before. Call it in the
/// transaction that announces them.
pub(crate) fn take_announcements(
    connection: &Connection,
    request_ids: &[String],
) -> Result<Vec<String>, DatabaseError> {
    query(
        connection,
        "UPDATE lock_releases SET must_announce = 0
         WHERE request_id IN (SELECT value FROM json_each(?1)) AND must_announce = 1
         RETURNING request_id",
        &[json_list(&request_ids)?],
        |row| row.get(0),
    )
}

/// Deletes completed releases.
pub(crate) fn done(connection: &Connection, request_ids: &[String]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM lock_releases WHERE request_id IN (SELECT value FROM json_each(?1))",
        &[json_list(&request_ids)?],
    )
}
