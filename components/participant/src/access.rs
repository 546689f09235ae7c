//! Who may call (contract 2.2, 2.6, 2.7).

use std::collections::HashMap;

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

    /// Makes a change of a guest's account in one transaction. `None`, and nothing is changed, if another request with
    /// the same token has made it somebody's account or signed the guest out since this one came in.
    pub(crate) fn change_guest<T>(
        &self,
        connection: &Connection,
        work: impl Fn(&Connection, &Participant) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        transaction(connection, |connection| {
            let participant = honoured(connection, self.token)?;
            let guest = participant.filter(|participant| participant.is_guest);
            guest.map(|guest| work(connection, &guest)).transpose()
        })
    }

    /// The time to store for the caller's sign-out: later than now by the database's clock, since a sign-in of this
    /// millisecond may have read the old password, and later than the issue of the caller's own token.
    pub(crate) fn time_of_sign_out(&self, now: Millis) -> Millis {
        now.max(self.token.issued_at) + 1
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
    let token = token(request)?;
    welcome(token, participants::find(connection, token.participant_id)?)
}

/// The token of a request, for a caller whose account is read together with something else. [`welcome`] admits it.
pub(crate) fn token(request: &Request) -> Result<Token, Error> {
    let token = request
        .bearer()
        .ok_or(Error::Unauthorized("invalid authorization header"))?;
    let token = tokens::read(token)?.ok_or(INVALID_TOKEN)?;
    log::set_user("participant", token.participant_id);
    Ok(token)
}

/// Admits the participant of a token, if the account is still there and honours it.
pub(crate) fn welcome(token: Token, account: Option<Participant>) -> Result<Caller, Error> {
    let participant = account
        .filter(|account| honours(account, token))
        .ok_or(INVALID_TOKEN)?;
    Ok(Caller { participant, token })
}

/// The participants that these tokens speak for; `None` for a token that is not valid right now. All are looked up with
/// one statement.
pub(crate) fn callers(connection: &Connection, tokens: &[String]) -> Result<Vec<Option<Participant>>, Error> {
    let tokens = tokens
        .iter()
        .map(|token| tokens::read(token))
        .collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<i64> = tokens
        .iter()
        .flatten()
        .map(|token| token.participant_id)
        .collect();
    let accounts: HashMap<i64, Participant> = participants::find_all(connection, &ids)?
        .into_iter()
        .map(|account| (account.id, account))
        .collect();
    let caller = |token: Option<Token>| {
        let token = token?;
        let account = accounts.get(&token.participant_id)?;
        honours(account, token).then(|| account.clone())
    };
    Ok(tokens.into_iter().map(caller).collect())
}

/// What makes a token valid beside its signature and its time (contract 2.2): its account is still there, and has not
/// signed out since its issue.
fn honoured(connection: &Connection, token: Token) -> Result<Option<Participant>, Error> {
    let account = participants::find(connection, token.participant_id)?;
    Ok(account.filter(|account| honours(account, token)))
}

fn honours(account: &Participant, token: Token) -> bool {
    token.outlives(account.time_sign_out)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_out_is_later_than_now_and_than_the_callers_token() {
        for (issued_at, now, expected) in [(3, 7, 8), (7, 7, 8), (9, 7, 10)] {
            let participant = Participant {
                id: 1,
                email: String::new(),
                phone_number: String::new(),
                time_created: 0,
                time_sign_out: 0,
                is_guest: false,
                name: String::new(),
            };
            let token = Token {
                participant_id: 1,
                issued_at,
                sign_out: Some(0),
            };
            let caller = Caller { participant, token };
            assert_eq!(caller.time_of_sign_out(now), expected, "{issued_at}, {now}");
        }
    }
}
