//! The agency of a run of the canary (docs/operations.md). All its ids are below 0. Lists begin after 0, so it is in
//! none of them, and its changes are not recorded.

use http::StatusCode;
use service::door::{Answer, Request};
use service::internal::CanaryAccount;
use service::password;

use crate::access;
use crate::answer::json;
use crate::error::Error;
use crate::store::{self, canary};

/// `POST /api/canary`: an approved agency, its event and its organizer, all with the same id, for one run. Deletes
/// those of earlier runs.
pub(crate) fn set_up_agency(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let (password, password_hash) = password::random()?;
    let (id, email) = canary::set_up_agency(&store::open()?, &password_hash)?;
    Ok(json(StatusCode::CREATED, &CanaryAccount { id, email, password }))
}
