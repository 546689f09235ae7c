//! The canary's latest run, and the removal of what its runs leave behind.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query_one, transaction};
use service::parameters;
use sidecar_api::CanaryReport;

/// How long the chat of a run is kept: longer than any run takes.
const KEPT: Millis = 60 * 1000;

/// A run of the canary.
pub(crate) struct Run {
    pub report: CanaryReport,
    pub checked_at: Millis,
    /// Time since then.
    pub age: Millis,
    /// When the first of the failed runs ended, if the last one has failed.
    pub failing_since: Option<Millis>,
}

/// Stores the latest run, and deletes what earlier ones have left.
pub(crate) fn record(connection: &Connection, report: &CanaryReport) -> Result<(), DatabaseError> {
    let steps = serde_json::to_string(&report.steps).map_err(|error| DatabaseError(error.to_string()))?;
    transaction(connection, |connection| {
        execute(
            connection,
            concat!(
                "INSERT INTO canary (id, checked_at, failed_step, failing_since, steps)
                 SELECT 1, now, ?1, iif(?1 IS NULL, NULL, now), ?2 FROM (SELECT ",
                now!(),
                " AS now) WHERE true
                 ON CONFLICT (id) DO UPDATE
                 SET checked_at = excluded.checked_at, failed_step = excluded.failed_step, steps = excluded.steps,
                     failing_since = iif(excluded.failed_step IS NULL, NULL,
                                         coalesce(failing_since, excluded.failing_since))"
            ),
            parameters![report.failed_step.as_deref(), &steps],
        )?;
        for delete in [
            concat!(
                "DELETE FROM messages
                 WHERE chat_id IN (SELECT id FROM chats WHERE agency_id < 0 AND pressed_at < ",
                now!(),
                " - ?1)"
            ),
            concat!(
                "DELETE FROM chats WHERE agency_id < 0 AND pressed_at < ",
                now!(),
                " - ?1"
            ),
            concat!(
                "DELETE FROM attendance WHERE organizer_id < 0 AND seen_at < ",
                now!(),
                " - ?1"
            ),
        ] {
            execute(connection, delete, parameters![KEPT])?;
        }
        for delete in [
            "DELETE FROM contacts
             WHERE participant_id < 0 AND participant_id NOT IN (SELECT participant_id FROM chats WHERE agency_id < 0)",
            // A trigger counts a deleted press as taken back.
            "DELETE FROM withdrawn_presses WHERE agency_id < 0",
        ] {
            execute(connection, delete, &[])?;
        }
        Ok(())
    })
}

/// The latest run; `None` where no canary runs.
pub(crate) fn latest(connection: &Connection) -> Result<Option<Run>, DatabaseError> {
    query_one(
        connection,
        concat!(
            "SELECT checked_at, max(",
            now!(),
            " - checked_at, 0), failed_step, failing_since, steps FROM canary WHERE id = 1"
        ),
        &[],
        |row| {
            let steps: String = row.get(4)?;
            Ok(Run {
                report: CanaryReport {
                    failed_step: row.get(2)?,
                    steps: serde_json::from_str(&steps).map_err(|error| DatabaseError(error.to_string()))?,
                },
                checked_at: row.get(0)?,
                age: row.get(1)?,
                failing_since: row.get(3)?,
            })
        },
    )
}
