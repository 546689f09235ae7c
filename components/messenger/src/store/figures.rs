//! How many presses there were, how long they waited, and who took them. A wait begins with the press, as the queue is
//! ordered by it, and ends when an organizer first takes it.

use service::clock::Millis;
use service::database::{Connection, DatabaseError, query};
use service::parameters;

/// The presses to count.
pub(crate) struct Scope {
    pub agency_id: i64,
    /// `None` for all events.
    pub event_id: Option<i64>,
    /// Inclusive.
    pub from: Millis,
    /// Exclusive.
    pub to: Millis,
}

/// What has become of a press.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Nobody has taken it yet.
    Waiting,
    Taken,
    /// Its participant took it back, or is gone, before anybody took it.
    Withdrawn,
}

/// Presses of one step of time and of one outcome.
#[derive(Debug)]
pub(crate) struct Waits {
    /// When the step begins.
    pub at: Millis,
    pub outcome: Outcome,
    /// How long each has lasted so far, in any order.
    pub waits: Vec<Millis>,
}

/// The presses in a scope by steps of time. A step begins at a multiple of its length.
pub(crate) fn waits(
    connection: &Connection,
    scope: &Scope,
    step: Millis,
) -> Result<Vec<Waits>, DatabaseError> {
    query(
        connection,
        WAITS,
        parameters![scope.agency_id, scope.from, scope.to, scope.event_id, step],
        |row| {
            let outcome: String = row.get(1)?;
            Ok(Waits {
                at: row.get(0)?,
                outcome: match outcome.as_str() {
                    "waiting" => Outcome::Waiting,
                    "taken" => Outcome::Taken,
                    "withdrawn" => Outcome::Withdrawn,
                    _ => return Err(DatabaseError(format!("a press is {outcome}"))),
                },
                waits: list(&row.get::<String>(2)?)?,
            })
        },
    )
}

// A press that another host's clock has dated into the future has not waited.
const WAITS: &str = concat!(
    "SELECT pressed_at / ?5 * ?5, outcome, json_group_array(max(until - pressed_at, 0))
     FROM (SELECT pressed_at, coalesce(time_start, ",
    now!(),
    ") AS until, iif(time_start IS NULL, 'waiting', 'taken') AS outcome
           FROM chats WHERE agency_id = ?1 AND pressed_at >= ?2 AND pressed_at < ?3
                        AND (?4 IS NULL OR event_id = ?4)
           UNION ALL
           SELECT pressed_at, withdrawn_at, 'withdrawn'
           FROM withdrawn_presses WHERE agency_id = ?1 AND pressed_at >= ?2 AND pressed_at < ?3
                                    AND (?4 IS NULL OR event_id = ?4))
     GROUP BY 1, 2"
);

/// Presses that one organizer has, or had last, under one name.
#[derive(Debug)]
pub(crate) struct Work {
    pub organizer_id: i64,
    /// Empty when it is not known.
    pub name: String,
    /// How long each waited until somebody took it.
    pub waits: Vec<Millis>,
    /// How long the chats lasted that have ended.
    pub durations: Vec<Millis>,
}

/// The taken presses in a scope by their organizers, for each the latest name last.
pub(crate) fn work(connection: &Connection, scope: &Scope) -> Result<Vec<Work>, DatabaseError> {
    query(
        connection,
        WORK,
        parameters![scope.agency_id, scope.from, scope.to, scope.event_id],
        |row| {
            Ok(Work {
                organizer_id: row.get(0)?,
                name: row.get(1)?,
                waits: list(&row.get::<String>(2)?)?,
                durations: list(&row.get::<String>(3)?)?,
            })
        },
    )
}

const WORK: &str = "
    SELECT organizer_id, organizer_name, json_group_array(max(time_start - pressed_at, 0)),
           json_group_array(time_end - time_start) FILTER (WHERE time_end IS NOT NULL)
    FROM chats WHERE agency_id = ?1 AND pressed_at >= ?2 AND pressed_at < ?3 AND (?4 IS NULL OR event_id = ?4)
                 AND time_start IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, max(pressed_at)";

fn list(json: &str) -> Result<Vec<Millis>, DatabaseError> {
    serde_json::from_str(json).map_err(|error| DatabaseError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MIGRATIONS;

    /// Consoles ask every few seconds: the figures read an index, and of it only the presses of their period.
    #[test]
    fn figures_are_served_by_an_index_alone() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            database.execute_batch(migration).unwrap();
        }
        let period = "(agency_id=? AND pressed_at>? AND pressed_at<?)";
        for (sql, tables) in [
            (
                WAITS,
                vec![
                    ("chats", "chats_pressed"),
                    ("withdrawn_presses", "withdrawn_presses"),
                ],
            ),
            (WORK, vec![("chats", "chats_pressed")]),
        ] {
            let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![None::<i64>; statement.parameter_count()];
            let steps = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
            let plan: Vec<String> = steps.unwrap().collect::<Result<_, _>>().unwrap();
            let searches: Vec<String> = plan
                .into_iter()
                .filter(|step| step.starts_with("SEARCH"))
                .collect();
            let search =
                |(table, index)| format!("SEARCH {table} USING COVERING INDEX {index}_of_agency {period}");
            assert_eq!(searches, tables.into_iter().map(search).collect::<Vec<_>>());
        }
    }
}
