//! Plans of the venues of events.

use serde::Serialize;
use service::database::{Connection, DatabaseError, Row, execute, query_one};
use service::parameters;

use crate::store::events::Event;
use crate::store::{Identified, Recorded};

/// A plan without its image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub event_id: i64,
    /// Of the image's bytes.
    pub sha256: String,
    /// Where the image's edges are, in degrees.
    pub north: f64,
    pub south: f64,
    pub east: f64,
    pub west: f64,
}

/// A plan with its image, a data URL.
#[derive(Serialize)]
pub(crate) struct PlanWithImage {
    #[serde(flatten)]
    pub plan: Plan,
    pub image: String,
}

/// An event with its plan, or with none: the recorded value of a change of the plan.
#[derive(Serialize)]
pub(crate) struct EventWithPlan<'a> {
    #[serde(flatten)]
    pub event: &'a Event,
    pub plan: Option<&'a Plan>,
}

impl Identified for EventWithPlan<'_> {
    fn id(&self) -> i64 {
        self.event.id
    }
}

impl Recorded for EventWithPlan<'_> {
    const CLASS: &'static str = Event::CLASS;

    fn agency_id(&self) -> Option<i64> {
        Some(self.event.agency_id)
    }
}

/// The plan of an event.
pub(crate) fn find(connection: &Connection, event_id: i64) -> Result<Option<PlanWithImage>, DatabaseError> {
    query_one(
        connection,
        "SELECT event_id, sha256, north, south, east, west, image FROM event_plans WHERE event_id = ?1",
        parameters![event_id],
        |row| {
            Ok(PlanWithImage {
                plan: decode(&row)?,
                image: row.get(6)?,
            })
        },
    )
}

/// Stores the plan of an event, in place of the one it had.
pub(crate) fn set(connection: &Connection, plan: &Plan, image: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO event_plans (event_id, image, sha256, north, south, east, west)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (event_id) DO UPDATE
         SET image = excluded.image, sha256 = excluded.sha256, north = excluded.north, south = excluded.south,
             east = excluded.east, west = excluded.west",
        parameters![
            plan.event_id,
            image,
            &plan.sha256,
            plan.north,
            plan.south,
            plan.east,
            plan.west
        ],
    )
}

/// Removes the plan of an event. Returns it as it was; `None` when there was none.
pub(crate) fn remove(connection: &Connection, event_id: i64) -> Result<Option<Plan>, DatabaseError> {
    query_one(
        connection,
        "DELETE FROM event_plans WHERE event_id = ?1 RETURNING event_id, sha256, north, south, east, west",
        parameters![event_id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Plan, DatabaseError> {
    Ok(Plan {
        event_id: row.get(0)?,
        sha256: row.get(1)?,
        north: row.get(2)?,
        south: row.get(3)?,
        east: row.get(4)?,
        west: row.get(5)?,
    })
}
