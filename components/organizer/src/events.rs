//! An agency's events (contract 3.4, "Events").

use http::StatusCode;
use service::database::transaction;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::json;
use crate::store;
use crate::store::changelogs::{self, Change};
use crate::store::events::{self, NewEvent};

/// `GET /agency/events`
pub(crate) fn list_events(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    Ok(json(
        StatusCode::OK,
        &events::list_of_agency(&connection, caller.agency_id()?)?,
    ))
}

/// `GET /agency/events/:id`
pub(crate) fn show_event(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let event = events::find_of_agency(&connection, id, agency_id)?
        .ok_or_else(|| Error::NotFound(format!("Event with id {id} not found in agency {agency_id}")))?;
    Ok(json(StatusCode::OK, &event))
}

/// `POST /agency/events`
pub(crate) fn create_event(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let agency_id = caller.agency_id()?;
    let mut form = Form::read(request)?;
    let event = NewEvent {
        name: form.text("name", &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(200)]),
        description: form.text(
            "description",
            &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(2000)],
        ),
        address: form.text("address", &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(400)]),
        lat: form.coordinate("lat", Rule::Latitude),
        lng: form.coordinate("lng", Rule::Longitude),
        time_start: form.date("timeStart"),
        time_end: form.date("timeEnd"),
    };
    form.finish()?;

    let event = transaction(&connection, |connection| {
        let event = events::insert(connection, &event, agency_id)?
            .ok_or_else(|| Error::BadRequest("Name is already taken".to_owned()))?;
        changelogs::record(connection, &caller.user, Change::insert(&event))?;
        Ok::<_, Error>(event)
    })?;
    Ok(json(StatusCode::CREATED, &event))
}
