//! Event search (contract 4): events come from the organizer service.

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::door::{Answer, Request};

use crate::bindings::mayday::platform::directory::{self, Event, Filter};
use crate::error::Error;
use crate::store::{self, requests};
use crate::{access, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody {
    id: i64,
    name: String,
    description: String,
    address: String,
    lat: f64,
    lng: f64,
    time_start: String,
    time_end: String,
    agency_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_chat_requested: Option<bool>,
}

/// `GET /events`
pub(crate) fn list_events(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request)?;
    let filter = Filter {
        text: request
            .query("query")
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        earliest: time(request, "from")?,
        latest: time(request, "to")?,
    };
    let events = directory::find_events(&filter).map_err(failure)?;
    let bodies: Vec<_> = events.into_iter().map(|event| body(event, None)).collect();
    Ok(json(StatusCode::OK, &bodies))
}

/// A full RFC 3339 time, whose fractional seconds are lost.
fn time(request: &Request, name: &str) -> Result<Option<Millis>, Error> {
    let Some(text) = request.query(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let time = clock::parse_rfc3339(text).ok_or_else(|| {
        Error::BadRequest(format!(
            "invalid format of `{name}` filter value; RFC3339 required"
        ))
    })?;
    Ok(Some(time.div_euclid(1000) * 1000))
}

/// `GET /events/:id`
pub(crate) fn show_event(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let participant = access::admit(&connection, request)?;
    let id = request.path.last().and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Error::BadRequest("invalid `id` route parameter".to_owned()))?;
    let event = find(id)?;
    let requested = requests::is_open(&connection, participant.id, id)?;
    Ok(json(StatusCode::OK, &body(event, Some(requested))))
}

/// The event with an id, of an approved agency.
pub(crate) fn find(id: i64) -> Result<Event, Error> {
    let found = directory::events_by_ids(&[id]).map_err(failure)?;
    found.into_iter().next().ok_or(Error::EventNotFound(id))
}

fn body(event: Event, is_chat_requested: Option<bool>) -> EventBody {
    EventBody {
        id: event.id,
        name: event.name,
        description: event.description,
        address: event.address,
        lat: event.lat,
        lng: event.lng,
        time_start: clock::format(event.time_start),
        time_end: clock::format(event.time_end),
        agency_id: event.agency_id,
        is_chat_requested,
    }
}

fn failure(error: directory::Error) -> Error {
    match error {
        directory::Error::Unavailable => Error::Unavailable,
        directory::Error::Other(reason) => Error::Api(reason),
    }
}
