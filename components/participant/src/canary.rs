//! The participant of a run of the canary (docs/operations.md). Its id is below 0.

use http::StatusCode;
use service::door::{Answer, Request};
use service::internal::CanaryAccount;
use service::password;

use crate::access;
use crate::answer::json;
use crate::body::Body;
use crate::error::Error;
use crate::store::{self, canary};

/// `POST /internal/canary`: a participant with this id, for one run. Deletes those of earlier runs.
pub(crate) fn set_up_participant(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let id = Body::read(&request.body)?.integer("id")?;
    if id >= 0 {
        return Err(Error::BadRequest("id must be below 0".to_owned()));
    }
    let (password, password_hash) = password::random()?;
    let email = canary::set_up_participant(&store::open()?, id, &password_hash)?;
    Ok(json(StatusCode::CREATED, &CanaryAccount { id, email, password }))
}
