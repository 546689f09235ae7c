//! Authentication and authorization of callers (contract 2.2, 2.6, 2.7 and 3.1).

use std::collections::HashMap;

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::door::Request;
use service::settings::{self, Completeness, SettingError};
use service::{keys, log};

use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::users::{self, Missing, Role, User, UserWithAgency};
use crate::tokens::{self, Token};

/// What a route requires of its caller. All but `Own` require a complete account as well.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Any valid token: for the caller's own account and session.
    Own,
    /// Roles 2, 3, 4 with an agency; any administrator.
    Support,
    /// Roles 2 and 3; any administrator.
    Manager,
    /// Role 2; any administrator.
    Owner,
    /// Roles 0 and 1.
    Admin,
}

/// The user who calls, as the database has it now.
pub(crate) struct Caller {
    pub user: User,
    pub agency: Option<Agency>,
    /// What the account lacks to be complete.
    pub missing: Missing,
    token: Token,
    need: Need,
}

impl Caller {
    /// The agency the caller acts for. An administrator without preview acts for none, and so cannot see or change any
    /// agency's data.
    pub(crate) fn agency(&self) -> Result<&Agency, Error> {
        self.agency
            .as_ref()
            .ok_or_else(|| Error::BadRequest("choose an agency first".to_owned()))
    }

    /// The id of that agency.
    pub(crate) fn agency_id(&self) -> Result<i64, Error> {
        self.agency().map(|agency| agency.id)
    }

    /// Makes a change and its record in one transaction, which authorizes the caller again: a caller who was signed
    /// out, demoted or removed since the request came in changes nothing.
    pub(crate) fn change<T>(
        &self,
        connection: &Connection,
        work: impl Fn(&Connection, &Caller) -> Result<T, Error>,
    ) -> Result<T, Error> {
        transaction(connection, |connection| {
            work(connection, &known(connection, self.token, self.need)?)
        })
    }

    /// The time to store for the caller's sign-out: later than now by the database's clock, since a sign-in of this
    /// millisecond may have read the old password, and later than the issue of the caller's own token.
    pub(crate) fn time_of_sign_out(&self, now: Millis) -> Millis {
        now.max(self.token.issued_at) + 1
    }
}

/// Admits a caller with the required role. Runs before the body is read, so that 403 wins over 400.
pub(crate) fn admit(connection: &Connection, request: &Request, need: Need) -> Result<Caller, Error> {
    let token = request.bearer().ok_or(Error::Forbidden)?;
    let token = tokens::read(token)?.ok_or(Error::Forbidden)?;
    known(connection, token, need)
}

/// The users of these tokens; `None` for a token that is not valid now. All are looked up with one statement.
pub(crate) fn callers(
    connection: &Connection,
    tokens: &[String],
) -> Result<Vec<Option<UserWithAgency>>, Error> {
    let tokens = tokens
        .iter()
        .map(|token| tokens::read(token))
        .collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<i64> = tokens.iter().flatten().map(|token| token.user_id).collect();
    let users: HashMap<i64, UserWithAgency> = users::find_with_agencies(connection, &ids)?
        .into_iter()
        .map(|found| (found.user.id, found))
        .collect();
    let caller = |token: Option<Token>| match token {
        Some(token) => honoured(token, users.get(&token.user_id).cloned()),
        None => Ok(None),
    };
    tokens.into_iter().map(caller).collect()
}

/// The steps that an account lacks and the operator enforces. A run of the canary has an account with a random password
/// and an id below 0, and nobody who could type a code.
pub(crate) fn required(missing: Missing, user: &User) -> Result<Missing, SettingError> {
    let needs_one_factor = match settings::completeness()? {
        Completeness::Optional => return Ok(Missing::default()),
        Completeness::Required => user.role == Role::AgencySupport,
        Completeness::RequiredOfAll => user.id < 0,
    };
    Ok(Missing {
        must_have_second_factor: missing.must_have_second_factor && !needs_one_factor,
        ..missing
    })
}

fn known(connection: &Connection, token: Token, need: Need) -> Result<Caller, Error> {
    let found = users::find_with_agency(connection, token.user_id)?;
    let UserWithAgency {
        user,
        agency,
        missing,
        ..
    } = honoured(token, found)?.ok_or(Error::Forbidden)?;
    log::set_user("organizer", user.id);
    let role = user.role;
    let may = match need {
        Need::Own => true,
        _ if !missing.is_nothing() => return Err(Error::Incomplete),
        Need::Support => role.is_admin() || agency.is_some(),
        Need::Manager => role <= Role::AgencyManager,
        Need::Owner => role <= Role::AgencyOwner,
        Need::Admin => role.is_admin(),
    };
    if may {
        Ok(Caller {
            user,
            agency,
            missing,
            token,
            need,
        })
    } else {
        Err(Error::Forbidden)
    }
}

/// The user that was found for a token, if the user has not signed out since its issue, and the user's agency is
/// approved or the user is an administrator (contract 2.2). Signature and times are already checked.
fn honoured(token: Token, found: Option<UserWithAgency>) -> Result<Option<UserWithAgency>, Error> {
    let is_honoured = |found: &UserWithAgency| {
        let approved = found.agency.as_ref().is_some_and(|agency| agency.approved);
        token.outlives(found.user.time_sign_out) && (found.user.role.is_admin() || approved)
    };
    let Some(found) = found.filter(is_honoured) else {
        return Ok(None);
    };
    let missing = required(found.missing, &found.user)?;
    Ok(Some(UserWithAgency { missing, ..found }))
}

/// Admits another service, by its key.
pub(crate) fn admit_service(request: &Request) -> Result<(), Error> {
    let key = request.bearer().ok_or(Error::NoServiceKey)?;
    if keys::is_of_service(key, "organizer_key")? {
        Ok(())
    } else {
        Err(Error::WrongServiceKey)
    }
}

/// Reads an `:id`: the leading integer of the text (contract 3.2).
pub(crate) fn id(text: &str) -> Result<i64, Error> {
    crate::form::leading_integer(text)
        .ok_or_else(|| Error::BadRequest("Validation failed (numeric string is expected)".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_out_is_later_than_now_and_than_the_callers_token() {
        for (issued_at, now, expected) in [(3, 7, 8), (7, 7, 8), (9, 7, 10)] {
            let user = User {
                id: 1,
                email: String::new(),
                first_name: String::new(),
                last_name: String::new(),
                phone_number: String::new(),
                time_created: 0,
                time_sign_out: 0,
                role: Role::AgencySupport,
                agency_id: None,
            };
            let caller = Caller {
                user,
                agency: None,
                missing: Missing::default(),
                token: Token {
                    user_id: 1,
                    issued_at,
                    sign_out: Some(0),
                },
                need: Need::Own,
            };
            assert_eq!(caller.time_of_sign_out(now), expected, "{issued_at}, {now}");
        }
    }
}
