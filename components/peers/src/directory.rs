//! Events, through the organizer service's routes for services (contract 3.4).

use std::time::Duration;

use serde::Deserialize;
use service::clock;

use crate::Peers;
use crate::bindings::exports::mayday::platform::directory::{Error, Event, Filter, Guest};
use crate::owner::{ORGANIZER, OwnerError, comma_separated};

/// Contract 0.
const TIMEOUT: Duration = Duration::from_secs(6);

/// A press for help waits for this, and can fall back to the known event.
const BY_IDS_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
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
    help_phone_number: Option<String>,
}

impl Guest for Peers {
    fn find_events(filter: Filter) -> Result<Vec<Event>, Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(text) = &filter.text {
            query.append_pair("query", text);
        }
        if let Some(earliest) = filter.earliest {
            query.append_pair("from", &clock::format(earliest));
        }
        if let Some(latest) = filter.latest {
            query.append_pair("to", &clock::format(latest));
        }
        events(&format!("/organizer/api/events?{}", query.finish()), TIMEOUT)
    }

    fn events_by_ids(ids: Vec<i64>) -> Result<Vec<Event>, Error> {
        let path = format!("/organizer/api/events?ids={}", comma_separated(&ids));
        events(&path, BY_IDS_TIMEOUT)
    }
}

fn events(path: &str, timeout: Duration) -> Result<Vec<Event>, Error> {
    let bodies: Vec<EventBody> = ORGANIZER.get(path, timeout).map_err(|error| failure(&error))?;
    bodies.into_iter().map(event).collect()
}

fn event(body: EventBody) -> Result<Event, Error> {
    let time = |text: &str| {
        clock::parse_rfc3339(text)
            .ok_or_else(|| Error::Other(format!("event {} has the time {text}", body.id)))
    };
    Ok(Event {
        time_start: time(&body.time_start)?,
        time_end: time(&body.time_end)?,
        id: body.id,
        name: body.name,
        description: body.description,
        address: body.address,
        lat: body.lat,
        lng: body.lng,
        agency_id: body.agency_id,
        help_phone_number: body.help_phone_number,
    })
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}
