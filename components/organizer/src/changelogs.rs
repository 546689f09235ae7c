//! The record of changes, for agencies and administrators (contract 3.4), and its verification.

use http::StatusCode;
use service::database::{Connection, snapshot};
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::lists::ListQuery;
use crate::store::{self, changelogs};

/// `GET /agency/changelogs`
pub(crate) fn list_changelogs(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    let (query, user_id) = ListQuery::read_with(request, "userId")?;
    query.answer(|page| changelogs::list_of_agency(&connection, agency_id, user_id, page))
}

/// `GET /agency/changelogs/:id`
pub(crate) fn show_changelog(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let changelog = changelogs::find_of_agency(&connection, id, agency_id)?
        .ok_or_else(|| Error::NotFound(format!("Changelog with id {id} not found in agency {agency_id}")))?;
    Ok(json(StatusCode::OK, &changelog))
}

/// `GET /agency/changelogs/verify`: whether the agency's chain holds, and where it breaks.
pub(crate) fn verify_chain(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Owner)?;
    verify(&connection, Some(caller.agency_id()?))
}

/// `GET /agency/changelogs/chain`: the agency's record with the proofs to check it elsewhere.
pub(crate) fn list_chain(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Owner)?;
    let agency_id = caller.agency_id()?;
    ListQuery::read(request)?.answer(|page| changelogs::list_of_chain(&connection, Some(agency_id), page))
}

/// `GET /admin/changelogs`
pub(crate) fn list_admin_changelogs(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let (query, user_id) = ListQuery::read_with(request, "userId")?;
    query.answer(|page| changelogs::list_of_admins(&connection, user_id, page))
}

/// `GET /admin/changelogs/:id`: any row.
pub(crate) fn show_admin_changelog(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let changelog = changelogs::find(&connection, id)?
        .ok_or_else(|| Error::NotFound(format!("Changelog with id {id} not found")))?;
    Ok(json(StatusCode::OK, &changelog))
}

/// `GET /admin/changelogs/verify`: the same for changes outside of any agency, or, with `agencyId`, for an agency's
/// chain, which outlives the agency.
pub(crate) fn verify_admin_chain(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let (_, agency_id) = ListQuery::read_with(request, "agencyId")?;
    verify(&connection, agency_id)
}

/// `GET /admin/changelogs/chain`: the same.
pub(crate) fn list_admin_chain(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let (query, agency_id) = ListQuery::read_with(request, "agencyId")?;
    query.answer(|page| changelogs::list_of_chain(&connection, agency_id, page))
}

/// Verifies a snapshot of the chain, which blocks no writer.
fn verify(connection: &Connection, agency_id: Option<i64>) -> Result<Answer, Error> {
    let verdict = snapshot(connection, |connection| changelogs::verify(connection, agency_id))?;
    Ok(json(StatusCode::OK, &verdict))
}
