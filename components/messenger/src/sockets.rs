//! What the sidecars ask: who is at a socket, and what its frames do.

use http::StatusCode;
use relay_protocol::{Authenticate, Authenticated, CommandBatch, RevocationCursor};
use service::door::{Answer, Request};

use crate::error::Error;
use crate::store::revision;
use crate::{access, body, commands, json, store};

/// `POST /internal/authenticate`
pub(crate) fn authenticate(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Authenticate { authorizations } = body(request)?;
    let revision = revision::current(&store::open()?)?;
    Ok(json(
        StatusCode::OK,
        &Authenticated {
            outcomes: access::admissions(&authorizations),
            revision,
        },
    ))
}

/// `POST /internal/revocations`: whose sockets have to be authorized again.
pub(crate) fn list_revocations(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let cursor: RevocationCursor = body(request)?;
    Ok(json(StatusCode::OK, &access::revoked_since(cursor)))
}

/// `POST /internal/commands`
pub(crate) fn carry_out(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let CommandBatch { commands } = body(request)?;
    Ok(json(
        StatusCode::OK,
        &commands::carry_out(&store::open()?, &commands)?,
    ))
}

/// `GET /internal/ready`: whether the database can be opened.
pub(crate) fn ready(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    store::open()?;
    Ok(Answer::empty(StatusCode::OK))
}
