//! The record, as agencies and administrators read it (contract 3.4).

use http::StatusCode;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::error::Error;
use crate::form::leading_integer;
use crate::json;
use crate::store::{self, changelogs};

/// `GET /agency/changelogs`
pub(crate) fn list_changelogs(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let user_id = user_filter(request)?;
    Ok(json(
        StatusCode::OK,
        &changelogs::list_of_agency(&connection, caller.agency_id()?, user_id)?,
    ))
}

/// `GET /admin/changelogs`
pub(crate) fn list_admin_changelogs(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let user_id = user_filter(request)?;
    Ok(json(
        StatusCode::OK,
        &changelogs::list_of_admins(&connection, user_id)?,
    ))
}

/// `userId`, the only filter these lists know.
fn user_filter(request: &Request) -> Result<Option<i64>, Error> {
    let unknown = request.query.iter().filter(|(name, _)| name != "userId");
    let mut lines: Vec<String> = unknown
        .map(|(name, _)| format!("property {name} should not exist"))
        .collect();
    let asked = request.query("userId");
    let user_id = asked.and_then(leading_integer);
    if asked.is_some() && user_id.is_none() {
        lines.push("userId must be an integer number".to_owned());
    }
    if lines.is_empty() {
        Ok(user_id)
    } else {
        Err(Error::Invalid(lines))
    }
}
