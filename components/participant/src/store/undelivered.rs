//! What the messenger has not confirmed: presses, and changes of accounts.

use service::database::{Connection, DatabaseError, NOW, query_one};
use service::internal::Undelivered;

/// How many wait, and for how long. What is the canary's does not count; all its ids are below 0.
pub(crate) fn count(connection: &Connection) -> Result<Undelivered, DatabaseError> {
    let age = format!("coalesce(max(0, ({NOW} - min(since)) / 1000), 0)");
    let undelivered = query_one(
        connection,
        // A phone may have claimed an earlier time of press.
        &format!(
            "SELECT presses, oldest_press, changes, oldest_change
             FROM (SELECT count(*) AS presses, {age} AS oldest_press
                   FROM (SELECT coalesce(received_at, pressed_at) AS since FROM outbox WHERE participant_id > 0)),
                  (SELECT count(*) AS changes, {age} AS oldest_change
                   FROM (SELECT changed_at AS since FROM contact_changes WHERE participant_id > 0
                         UNION ALL SELECT signed_in_at FROM hand_overs))"
        ),
        &[],
        |row| {
            Ok(Undelivered {
                presses: row.get(0)?,
                oldest_seconds: row.get(1)?,
                changes: row.get(2)?,
                oldest_change_seconds: row.get(3)?,
            })
        },
    )?;
    undelivered.ok_or_else(|| DatabaseError("there is no count".to_owned()))
}
