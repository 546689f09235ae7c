//! Events.

use serde::Serialize;
use service::clock::Millis;
use service::database::{DatabaseError, Row, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::store::users::timestamp;

/// An event (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub address: String,
    pub lat: f64,
    pub lng: f64,
    #[serde(serialize_with = "timestamp")]
    pub time_start: Millis,
    #[serde(serialize_with = "timestamp")]
    pub time_end: Millis,
    pub agency_id: i64,
}

/// An event that is about to be.
pub(crate) struct NewEvent {
    pub name: String,
    pub description: String,
    pub address: String,
    pub lat: f64,
    pub lng: f64,
    pub time_start: Millis,
    pub time_end: Millis,
}

/// Which events another service asks for. What is absent does not restrict.
#[derive(Default)]
pub(crate) struct Filter {
    /// A text that the name, the description or the address contains, in any case.
    pub text: Option<String>,
    /// The earliest start, inclusive.
    pub from: Option<Millis>,
    /// The latest start, inclusive.
    pub to: Option<Millis>,
    pub ids: Option<Vec<i64>>,
}

/// Adds an event; `None` when the name is taken.
pub(crate) fn insert(
    connection: &Connection,
    event: &NewEvent,
    agency_id: i64,
) -> Result<Option<Event>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO events (name, description, address, lat, lng, time_start, time_end, agency_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO NOTHING
         RETURNING id, name, description, address, lat, lng, time_start, time_end, agency_id",
        parameters![
            &event.name,
            &event.description,
            &event.address,
            event.lat,
            event.lng,
            event.time_start,
            event.time_end,
            agency_id,
        ],
        |row| decode(&row),
    )
}

/// An agency's events, by ascending id.
pub(crate) fn list_of_agency(connection: &Connection, agency_id: i64) -> Result<Vec<Event>, DatabaseError> {
    query(
        connection,
        "SELECT id, name, description, address, lat, lng, time_start, time_end, agency_id
         FROM events WHERE agency_id = ?1 ORDER BY id",
        parameters![agency_id],
        |row| decode(&row),
    )
}

/// One of an agency's events.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Event>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, name, description, address, lat, lng, time_start, time_end, agency_id
         FROM events WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// The events of approved agencies that pass a filter, by ascending id.
pub(crate) fn find_approved(connection: &Connection, filter: &Filter) -> Result<Vec<Event>, DatabaseError> {
    let ids = filter
        .ids
        .as_ref()
        .map(|ids| serde_json::Value::from(ids.clone()).to_string());
    let mut events = query(
        connection,
        "SELECT e.id, e.name, e.description, e.address, e.lat, e.lng, e.time_start, e.time_end, e.agency_id
         FROM events e JOIN agencies a ON a.id = e.agency_id
         WHERE a.approved
           AND (?1 IS NULL OR e.id IN (SELECT value FROM json_each(?1)))
           AND (?2 IS NULL OR e.time_start >= ?2)
           AND (?3 IS NULL OR e.time_start <= ?3)
         ORDER BY e.id",
        parameters![ids, filter.from, filter.to],
        |row| decode(&row),
    )?;
    // SQLite folds the case of ASCII only, and has no substring test but LIKE, to which `%` and `_` are special.
    if let Some(text) = &filter.text {
        let text = text.to_lowercase();
        let contains = |field: &String| field.to_lowercase().contains(&text);
        events.retain(|event| {
            [&event.name, &event.description, &event.address]
                .into_iter()
                .any(contains)
        });
    }
    Ok(events)
}

fn decode(row: &Row) -> Result<Event, DatabaseError> {
    Ok(Event {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        address: row.get(3)?,
        lat: row.get(4)?,
        lng: row.get(5)?,
        time_start: row.get(6)?,
        time_end: row.get(7)?,
        agency_id: row.get(8)?,
    })
}
