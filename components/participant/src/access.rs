//! Who may call (contract 2.2, 2.6, 2.7).

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::door::Request;
use service::{keys, log};

use crate::error::Error;
use crate::store::participants::{self, Participant};
use crate::tokens::{self, Token};

/// The participant who calls, as the database has it now.
pub(crate) struct Caller {
    pub participant: Participant,
    token: Token,
}

impl Caller {
    /// Makes a change in one transaction. It looks the caller up again in there: a caller who has been signed out or
    /// removed since the request came in changes nothing.
    pub(crate) fn change<T>(
        &self,
        connection: &Connection,
        work: impl Fn(&Connection, &Participant) -> Result<T, Error>,
    ) -> Result<T, Error> {
        transaction(connection, |connection| {
            let participant = honoured(connection, self.token)?.ok_or(INVALID_TOKEN)?;
            work(connection, &participant)
        })
    }

    /// When the caller's token was issued.
    pub(crate) fn issued_at(&self) -> Millis {
        self.token.issued_at
    }

    /// Looks the caller up again: a sign-out or a removal may have come since the request did.
    pub(crate) fn is_still_welcome(&self, connection: &Connection) -> Result<(), Error> {
        honoured(connection, self.token)?.map(drop).ok_or(INVALID_TOKEN)
    }

    /// The moment to sign the caller out at: now by the database's clock, and in any case after the caller's own token
    /// was issued, which may have been in this very millisecond.
    pub(crate) fn time_of_sign_out(&self, now: Millis) -> Millis {
        now.max(self.token.issued_at + 1)
    }
}

/// The guest who calls, if the request has the valid token of one.
pub(crate) fn guest(connection: &Connection, request: &Request) -> Result<Option<Caller>, Error> {
    let Some(token) = request.bearer().map(tokens::read).transpose()?.flatten() else {
        return Ok(None);
    };
    let participant = honoured(connection, token)?.filter(|participant| participant.is_guest);
    Ok(participant.map(|participant| Caller { participant, token }))
}

const INVALID_TOKEN: Error = Error::Unauthorized("invalid token");

/// Admits a participant.
pub(crate) fn admit(connection: &Connection, request: &Request) -> Result<Caller, Error> {
    let token = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    let token = tokens::read(token)?.ok_or(INVALID_TOKEN)?;
    let participant = honoured(connection, token)?.ok_or(INVALID_TOKEN)?;
    log::set_user("participant", participant.id);
    Ok(Caller { participant, token })
}

/// The participant a token speaks for, if it is valid right now.
pub(crate) fn caller(connection: &Connection, token: &str) -> Result<Option<Participant>, Error> {
    match tokens::read(token)? {
        Some(token) => honoured(connection, token),
        None => Ok(None),
    }
}

/// What makes a token valid beside its signature and its time (contract 2.2): its account is still there, and it was
/// issued after the last sign-out.
fn honoured(connection: &Connection, token: Token) -> Result<Option<Participant>, Error> {
    let participant = participants::find(connection, token.participant_id)?;
    Ok(participant.filter(|participant| token.issued_at >= participant.time_sign_out))
}

/// Admits another service, by its key.
pub(crate) fn admit_service(request: &Request) -> Result<(), Error> {
    let key = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    if keys::is_of_service(key, "participant_key")? {
        Ok(())
    } else {
        Err(Error::Unauthorized("invalid api key"))
    }
}
