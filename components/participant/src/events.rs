//! Event search (contract 4): events come from the organizer service.

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::database::Connection;
use service::door::{Answer, Request};
use service::settings;

use crate::access;
use crate::answer::json;
use crate::bindings::mayday::platform::directory::{self, Event, Filter};
use crate::error::Error;
use crate::store::known_events::KnownEvent;
use crate::store::{self, known_events, requests};

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
    /// The number that the agency publishes for people who need help.
    #[serde(skip_serializing_if = "Option::is_none")]
    help_phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_chat_requested: Option<bool>,
}

/// `GET /events`
pub(crate) fn list_events(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request)?;
    let filter = read_filter(request)?;
    let events = directory::find_events(&filter).map_err(failure)?;
    let bodies: Vec<_> = events.into_iter().map(|event| body(event, None)).collect();
    Ok(json(StatusCode::OK, &bodies))
}

pub(crate) fn read_filter(request: &Request) -> Result<Filter, Error> {
    Ok(Filter {
        text: request
            .query("query")
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        earliest: time(request, "from")?,
        latest: time(request, "to")?,
    })
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
pub(crate) fn show_event(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let invalid = |_| Error::BadRequest("invalid `id` route parameter".to_owned());
    let id = id.parse().map_err(invalid)?;
    let known = known_events::find(&connection, id)?;
    let event = find(&connection, id, known.as_ref())?;
    let requested = requests::is_open(&connection, caller.participant.id, id)?;
    Ok(json(StatusCode::OK, &body(event, Some(requested))))
}

const DAY: Millis = 24 * 60 * 60 * 1000;

/// How long a press may rely on a verified event while the organizer service is down; `None` for ever.
fn memory() -> Result<Option<Millis>, Error> {
    let days = settings::days("retention_known_event_days")?;
    Ok(days.map(|days| Millis::from(days) * DAY))
}

/// How old a verification may get before it is renewed.
const REFRESH: Millis = 60 * 1000;

/// How long a press may rely on a verified event in any case, while other presses are being delivered: in a storm one
/// press asks for all.
const MOMENT: Millis = 1000;

/// The event with an id, of an approved agency. Updates what is known of it.
fn find(connection: &Connection, id: i64, known: Option<&KnownEvent>) -> Result<Event, Error> {
    let found = directory::events_by_ids(&[id])
        .map_err(failure)?
        .into_iter()
        .next();
    match &found {
        Some(event) => {
            let fresh = known.is_some_and(|known| {
                let age = if known.amid_presses { MOMENT } else { REFRESH };
                known.agency_id == event.agency_id && known.age <= age
            });
            if !fresh {
                known_events::learn(connection, id, event.agency_id)?;
            }
        }
        None if known.is_some() => known_events::forget(connection, id)?,
        None => {}
    }
    found.ok_or(Error::EventNotFound(id))
}

/// The agency that runs an event, for a press. While the organizer service is down, an event that it has verified
/// lately is good enough: nobody in danger must wait for it.
pub(crate) fn agency_of(connection: &Connection, id: i64, known: Option<&KnownEvent>) -> Result<i64, Error> {
    let verified_within = |age| {
        let known = known?;
        (known.age <= age).then_some(known.agency_id)
    };
    if known.is_some_and(|known| known.amid_presses)
        && let Some(agency_id) = verified_within(MOMENT)
    {
        return Ok(agency_id);
    }
    match find(connection, id, known) {
        Err(error @ (Error::Unavailable(_) | Error::Api(_))) => {
            // The tick fails because of a setting that cannot be read. A press does not.
            let memory = memory().unwrap_or(Some(DAY));
            verified_within(memory.unwrap_or(Millis::MAX)).ok_or(error)
        }
        found => found.map(|event| event.agency_id),
    }
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
        help_phone_number: event.help_phone_number,
        is_chat_requested,
    }
}

fn failure(error: directory::Error) -> Error {
    match error {
        directory::Error::Unavailable(reason) => Error::Unavailable(reason),
        directory::Error::Other(reason) => Error::Api(reason),
    }
}
