//! An agency's events (contract 3.4, "Events, contacts, issues, comments").

use http::StatusCode;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::lists::ListQuery;
use crate::store::changelogs::{self, Change};
use crate::store::events::{self, EventEdits, NewEvent};
use crate::store::{self, removal};

const NAME_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(200)];
const DESCRIPTION_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(2000)];
const ADDRESS_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(400)];

/// `GET /agency/events`
pub(crate) fn list_events(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    ListQuery::read(request)?.answer(|page| events::list_of_agency(&connection, agency_id, page))
}

/// `GET /agency/events/:id`
pub(crate) fn show_event(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let event =
        events::find_of_agency(&connection, id, agency_id)?.ok_or_else(|| not_found(id, agency_id))?;
    Ok(json(StatusCode::OK, &event))
}

pub(crate) fn read_event(form: &mut Form) -> NewEvent {
    NewEvent {
        name: form.text("name", NAME_RULES),
        description: form.text("description", DESCRIPTION_RULES),
        address: form.text("address", ADDRESS_RULES),
        lat: form.coordinate("lat", Rule::Latitude),
        lng: form.coordinate("lng", Rule::Longitude),
        time_start: form.date("timeStart"),
        time_end: form.date("timeEnd"),
    }
}

/// `POST /agency/events`
pub(crate) fn create_event(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let event = Form::parse(request, read_event)?;

    let event = caller.change(&connection, |connection, caller| {
        let event = events::insert(connection, &event, caller.agency_id()?)?.ok_or_else(name_taken)?;
        changelogs::record(connection, &caller.user, Change::insert(&event)?)?;
        Ok(event)
    })?;
    Ok(json(StatusCode::CREATED, &event))
}

pub(crate) fn read_edits(form: &mut Form) -> EventEdits {
    EventEdits {
        name: form.optional_text("name", NAME_RULES),
        description: form.optional_text("description", DESCRIPTION_RULES),
        address: form.optional_text("address", ADDRESS_RULES),
        lat: form.optional_coordinate("lat", Rule::Latitude),
        lng: form.optional_coordinate("lng", Rule::Longitude),
        time_start: form.optional_date("timeStart"),
        time_end: form.optional_date("timeEnd"),
    }
}

/// `PATCH /agency/events/:id`
pub(crate) fn edit_event(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let edits = Form::parse(request, read_edits)?;

    let event = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let event =
            events::find_of_agency(connection, id, agency_id)?.ok_or_else(|| not_found(id, agency_id))?;
        let event = events::update(connection, event, &edits)?.ok_or_else(name_taken)?;
        changelogs::record(connection, &caller.user, Change::update(&event)?)?;
        Ok(event)
    })?;
    Ok(json(StatusCode::OK, &event))
}

/// `DELETE /agency/events/:id`
pub(crate) fn delete_event(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let event = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        removal::delete_event(connection, &caller.user, id, agency_id)?
            .ok_or_else(|| not_found(id, agency_id))
    })?;
    Ok(json(StatusCode::OK, &event))
}

pub(crate) fn not_found(id: i64, agency_id: i64) -> Error {
    Error::NotFound(format!("Event with id {id} not found in agency {agency_id}"))
}

fn name_taken() -> Error {
    Error::BadRequest("Name is already taken".to_owned())
}
