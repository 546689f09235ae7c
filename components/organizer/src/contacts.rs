//! An agency's contacts (contract 3.4, "Events, contacts, issues, comments").

use http::StatusCode;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::events;
use crate::form::{Form, Rule};
use crate::lists::ListQuery;
use crate::session::EMAIL_RULES;
use crate::store;
use crate::store::changelogs::{self, Change};
use crate::store::contacts::{self, ContactEdits, NewContact};
use crate::users::{NAME_RULES, PHONE_RULES};

const NOTES_RULES: &[Rule] = &[Rule::Text, Rule::MaxLength(2000)];

/// `GET /agency/contacts`
pub(crate) fn list_contacts(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    let (query, event_id) = ListQuery::read_with(request, "eventId")?;
    query.answer(|page| contacts::list_of_agency(&connection, agency_id, event_id, page))
}

/// `GET /agency/contacts/:id`
pub(crate) fn show_contact(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let contact =
        contacts::find_of_agency(&connection, id, caller.agency_id()?)?.ok_or_else(|| not_found(id))?;
    Ok(json(StatusCode::OK, &contact))
}

pub(crate) fn read_contact(form: &mut Form) -> NewContact {
    NewContact {
        first_name: form.text("firstName", NAME_RULES),
        last_name: form.text("lastName", NAME_RULES),
        email: form.text("email", EMAIL_RULES),
        phone_number: form.text("phoneNumber", PHONE_RULES),
        additional_notes: form.text("additionalNotes", NOTES_RULES),
        event_id: form.id("eventId"),
    }
}

/// `POST /agency/contacts`
pub(crate) fn create_contact(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let contact = Form::parse(request, read_contact)?;

    let contact = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let contact = contacts::insert(connection, &contact, agency_id)?
            .ok_or_else(|| events::not_found(contact.event_id, agency_id))?;
        changelogs::record(connection, &caller.user, Change::insert(&contact)?)?;
        Ok(contact)
    })?;
    Ok(json(StatusCode::CREATED, &contact))
}

pub(crate) fn read_edits(form: &mut Form) -> ContactEdits {
    ContactEdits {
        first_name: form.optional_text("firstName", NAME_RULES),
        last_name: form.optional_text("lastName", NAME_RULES),
        email: form.optional_text("email", EMAIL_RULES),
        phone_number: form.optional_text("phoneNumber", PHONE_RULES),
        additional_notes: form.optional_text("additionalNotes", NOTES_RULES),
    }
}

/// `PATCH /agency/contacts/:id`
pub(crate) fn edit_contact(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let edits = Form::parse(request, read_edits)?;

    let contact = caller.change(&connection, |connection, caller| {
        let contact =
            contacts::update(connection, id, caller.agency_id()?, &edits)?.ok_or_else(|| not_found(id))?;
        changelogs::record(connection, &caller.user, Change::update(&contact)?)?;
        Ok(contact)
    })?;
    Ok(json(StatusCode::OK, &contact))
}

/// `DELETE /agency/contacts/:id`
pub(crate) fn delete_contact(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let contact = caller.change(&connection, |connection, caller| {
        let contact = contacts::delete(connection, id, caller.agency_id()?)?.ok_or_else(|| not_found(id))?;
        changelogs::record(connection, &caller.user, Change::delete(&contact))?;
        Ok(contact)
    })?;
    Ok(json(StatusCode::OK, &contact))
}

/// The text does not name the agency, unlike those of other resources (contract 8).
fn not_found(id: i64) -> Error {
    Error::NotFound(format!("Contact with id {id} not found"))
}
