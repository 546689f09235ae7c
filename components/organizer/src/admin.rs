//! Administration of agencies (contract 3.4, "Administration").

use http::StatusCode;
use service::database::transaction;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::error::Error;
use crate::form::Form;
use crate::json;
use crate::store::changelogs::{self, Change};
use crate::store::{self, agencies};

/// `GET /admin/agencies`
pub(crate) fn list_agencies(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    Ok(json(StatusCode::OK, &agencies::list(&connection)?))
}

/// `GET /admin/agencies/:id`
pub(crate) fn show_agency(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let agency = agencies::find(&connection, id)?.ok_or_else(|| not_found(id))?;
    Ok(json(StatusCode::OK, &agency))
}

/// `PATCH /admin/agencies/:id/verify`. An empty body changes nothing and is on record all the same.
pub(crate) fn verify_agency(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let mut form = Form::read(request)?;
    let approved = form.optional_boolean("approved");
    form.finish()?;

    let agency = transaction(&connection, |connection| {
        let agency = agencies::set_approved(connection, id, approved)?.ok_or_else(|| not_found(id))?;
        changelogs::record(connection, &caller.user, Change::update(&agency))?;
        Ok::<_, Error>(agency)
    })?;
    Ok(json(StatusCode::OK, &agency))
}

fn not_found(id: i64) -> Error {
    Error::NotFound(format!("Agency with id {id} not found"))
}
