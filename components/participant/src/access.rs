//! Who may call (contract 2.2, 2.6, 2.7).

use service::door::Request;
use service::{keys, settings};
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::store::participants::{self, Participant};
use crate::tokens;

/// Lets a participant in.
pub(crate) fn admit(connection: &Connection, request: &Request) -> Result<Participant, Error> {
    let token = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    caller(connection, token)?.ok_or(Error::Unauthorized("invalid token"))
}

/// The participant a token speaks for, if it is valid right now (contract 2.2): issued by us and in its time, to an account that is
/// still there, after its last sign-out.
pub(crate) fn caller(connection: &Connection, token: &str) -> Result<Option<Participant>, Error> {
    let Some(token) = tokens::read(token)? else {
        return Ok(None);
    };
    let participant = participants::find(connection, token.participant_id)?;
    Ok(participant.filter(|participant| token.issued_at >= participant.time_sign_out))
}

/// Lets another service in.
pub(crate) fn admit_service(request: &Request) -> Result<(), Error> {
    let key = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    if keys::matches(key, &settings::text("participant_key")?) {
        Ok(())
    } else {
        Err(Error::Unauthorized("invalid api key"))
    }
}
