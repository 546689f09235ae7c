//! Events.

use serde::{Serialize, Serializer};
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, Row, query, query_one};
use service::parameters;

use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// An event (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub address: String,
    pub lat: Coordinate,
    pub lng: Coordinate,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_start: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_end: Millis,
    pub agency_id: i64,
    /// Whether there is a plan of its venue.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_plan: bool,
}

/// An event of an approved agency, as other services need it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovedEvent {
    #[serde(flatten)]
    pub event: Event,
    /// The number that the agency publishes for people who need help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_phone_number: Option<String>,
}

impl Identified for ApprovedEvent {
    fn id(&self) -> i64 {
        self.event.id
    }
}

impl Identified for Event {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Event {
    const CLASS: &'static str = "Event";

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency_id)
    }
}

/// Degrees. The answer to a write, and its record, show a text if the client sent one (contract 3.2 and 3.8).
#[derive(Clone, Debug, Default)]
pub(crate) struct Coordinate {
    pub degrees: f64,
    pub text: Option<String>,
}

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_f64(self.degrees),
        }
    }
}

/// An event to add.
pub(crate) struct NewEvent {
    pub name: String,
    pub description: String,
    pub address: String,
    pub lat: Coordinate,
    pub lng: Coordinate,
    pub time_start: Millis,
    pub time_end: Millis,
}

/// Edits to an event; absent fields stay.
pub(crate) struct EventEdits {
    pub name: Option<String>,
    pub description: Option<String>,
    pub address: Option<String>,
    pub lat: Option<Coordinate>,
    pub lng: Option<Coordinate>,
    pub time_start: Option<Millis>,
    pub time_end: Option<Millis>,
}

/// A filter for events. Absent members do not restrict.
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
    let inserted = query_one(
        connection,
        "INSERT INTO events (name, description, address, lat, lng, time_start, time_end, agency_id, search)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (name) DO NOTHING
         RETURNING id, name, description, address, lat, lng, time_start, time_end, agency_id, 0",
        parameters![
            &event.name,
            &event.description,
            &event.address,
            event.lat.degrees,
            event.lng.degrees,
            event.time_start,
            event.time_end,
            agency_id,
            search_text(&event.name, &event.description, &event.address),
        ],
        |row| decode(&row),
    )?;
    Ok(inserted.map(|inserted| Event {
        lat: event.lat.clone(),
        lng: event.lng.clone(),
        ..inserted
    }))
}

/// Edits one of an agency's events, whose value was `event`; `None` when the name is taken.
pub(crate) fn update(
    connection: &Connection,
    event: Event,
    edits: &EventEdits,
) -> Result<Option<Event>, DatabaseError> {
    let edited = Event {
        id: event.id,
        name: edits.name.clone().unwrap_or(event.name),
        description: edits.description.clone().unwrap_or(event.description),
        address: edits.address.clone().unwrap_or(event.address),
        lat: edits.lat.clone().unwrap_or(event.lat),
        lng: edits.lng.clone().unwrap_or(event.lng),
        time_start: edits.time_start.unwrap_or(event.time_start),
        time_end: edits.time_end.unwrap_or(event.time_end),
        agency_id: event.agency_id,
        has_plan: event.has_plan,
    };
    let updated = query_one(
        connection,
        "UPDATE OR IGNORE events
         SET name = ?2, description = ?3, address = ?4, lat = ?5, lng = ?6, time_start = ?7, time_end = ?8, search = ?9
         WHERE id = ?1
         RETURNING id",
        parameters![
            edited.id,
            &edited.name,
            &edited.description,
            &edited.address,
            edited.lat.degrees,
            edited.lng.degrees,
            edited.time_start,
            edited.time_end,
            search_text(&edited.name, &edited.description, &edited.address),
        ],
        |row| row.get::<i64>(0),
    )?;
    Ok(updated.map(|_| edited))
}

/// An agency's events, by ascending id.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    page: &Page,
) -> Result<Vec<Event>, DatabaseError> {
    let parameters = parameters![agency_id, page.after(), page.limit];
    query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, name, description, address, lat, lng, time_start, time_end, agency_id,
           EXISTS (SELECT 1 FROM event_plans p WHERE p.event_id = events.id)
    FROM events WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// One of an agency's events.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Event>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, name, description, address, lat, lng, time_start, time_end, agency_id,
                EXISTS (SELECT 1 FROM event_plans p WHERE p.event_id = events.id)
         FROM events WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// The events of approved agencies that pass a filter, by ascending id.
pub(crate) fn find_approved(
    connection: &Connection,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<ApprovedEvent>, DatabaseError> {
    let decode = |row: Row| {
        Ok(ApprovedEvent {
            event: decode(&row)?,
            help_phone_number: row.get(10)?,
        })
    };
    let text = filter.text.as_deref().map(fold);
    if let Some(ids) = &filter.ids {
        let ids = serde_json::Value::from(ids.as_slice()).to_string();
        // Who names the canary's event, whose id is below 0, finds it.
        let after = page.cursor.unwrap_or(i64::MIN);
        let parameters = parameters![filter.from, filter.to, text, after, page.limit, ids];
        query(connection, FIND_APPROVED_BY_IDS, parameters, decode)
    } else {
        let parameters = parameters![filter.from, filter.to, text, page.after(), page.limit];
        query(connection, FIND_APPROVED, parameters, decode)
    }
}

// Services do not ask for plans. The cross join keeps the events' own order, so that a page ends where it is full.
pub(crate) const FIND_APPROVED: &str = "
    SELECT e.id, e.name, e.description, e.address, e.lat, e.lng, e.time_start, e.time_end, e.agency_id,
           0, a.help_phone_number
    FROM events e CROSS JOIN agencies a ON a.id = e.agency_id
    WHERE e.id > ?4 AND a.approved
      AND (?1 IS NULL OR e.time_start >= ?1)
      AND (?2 IS NULL OR e.time_start <= ?2)
      AND (?3 IS NULL OR instr(e.search, ?3))
    ORDER BY e.id LIMIT ?5";

pub(crate) const FIND_APPROVED_BY_IDS: &str = "
    SELECT e.id, e.name, e.description, e.address, e.lat, e.lng, e.time_start, e.time_end, e.agency_id,
           0, a.help_phone_number
    FROM (SELECT DISTINCT value AS id FROM json_each(?6)) asked
         CROSS JOIN events e ON e.id = asked.id CROSS JOIN agencies a ON a.id = e.agency_id
    WHERE e.id > ?4 AND a.approved
      AND (?1 IS NULL OR e.time_start >= ?1)
      AND (?2 IS NULL OR e.time_start <= ?2)
      AND (?3 IS NULL OR instr(e.search, ?3))
    ORDER BY e.id LIMIT ?5";

/// The text to search. Its separator cannot be typed, so no match spans two fields.
fn search_text(name: &str, description: &str, address: &str) -> String {
    fold(&[name, description, address].join("\u{1f}"))
}

/// The text with Unicode's simple case folding. SQLite folds the case of ASCII only.
fn fold(text: &str) -> String {
    let fold = |character: char| {
        unicode_case_mapping::case_folded(character)
            .and_then(|folded| char::from_u32(folded.get()))
            .unwrap_or(character)
    };
    text.chars().map(fold).collect()
}

fn decode(row: &Row) -> Result<Event, DatabaseError> {
    let coordinate = |column| {
        Ok::<_, DatabaseError>(Coordinate {
            degrees: row.get(column)?,
            text: None,
        })
    };
    Ok(Event {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        address: row.get(3)?,
        lat: coordinate(4)?,
        lng: coordinate(5)?,
        time_start: row.get(6)?,
        time_end: row.get(7)?,
        agency_id: row.get(8)?,
        has_plan: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_by_unicodes_rules() {
        for (one, other) in [
            ("BŁONIA", "błonia"),
            ("ΟΔΟΣ", "οδος"),
            ("οδός", "ΟΔΌΣ"),
            ("\u{212a}raków", "kraków"),
            ("Маёвка", "МАЁВКА"),
            ("ſ", "S"),
            ("ẞ", "ß"),
            ("Ǆ", "ǅ"),
            ("𐐀", "𐐨"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("ß", "ss"), ("ı", "i"), ("é", "e")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }
}
