//! Authenticates the users of sockets, and lists revoked credentials.

use http::StatusCode;
use service::door::{Answer, Request};
use sidecar_api::{Authenticate, Authenticated, RevokedSince};

use crate::answer::json;
use crate::error::Error;
use crate::store::updates;
use crate::{access, body, store};

/// `POST /internal/authenticate`
pub(crate) fn authenticate(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Authenticate { authorizations } = body::parse(request)?;
    // Read before users are looked up: a later change of rights arrives as an update or a revocation.
    let after = updates::end(&store::open()?)?;
    let verdicts = access::verdicts(&authorizations);
    Ok(json(StatusCode::OK, &Authenticated { verdicts, after }))
}

/// `POST /internal/revocations`
pub(crate) fn list_revocations(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let asked: RevokedSince = body::parse(request)?;
    Ok(json(StatusCode::OK, &access::revoked_since(asked)))
}
