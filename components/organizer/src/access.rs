//! Who may call (contract 2.2, 2.6, 2.7 and 3.1).

use service::door::Request;
use service::{keys, settings};
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::users::{self, Role, User};
use crate::tokens;

/// What a route asks of its caller.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Any valid token.
    Any,
    /// Roles 2, 3, 4 with an agency; any administrator.
    Support,
    /// Roles 2 and 3; any administrator.
    Manager,
    /// Roles 0 and 1.
    Admin,
}

/// The user who calls, as the database has it now.
pub(crate) struct Caller {
    pub user: User,
    pub agency: Option<Agency>,
}

impl Caller {
    /// The agency the caller acts for. An administrator without preview acts for none, and so sees and changes nothing there.
    pub(crate) fn agency_id(&self) -> Result<i64, Error> {
        self.user
            .agency_id
            .ok_or_else(|| Error::BadRequest("choose an agency first".to_owned()))
    }
}

/// Lets a caller in who meets the need. Runs before the body is looked at, so that 403 wins over 400.
pub(crate) fn admit(connection: &Connection, request: &Request, need: Need) -> Result<Caller, Error> {
    let token = request.bearer().ok_or(Error::Forbidden)?;
    let caller = caller(connection, token)?.ok_or(Error::Forbidden)?;
    let role = caller.user.role;
    let may = match need {
        Need::Any => true,
        Need::Support => role.is_admin() || caller.agency.is_some(),
        Need::Manager => role.is_admin() || role <= Role::AgencyManager,
        Need::Admin => role.is_admin(),
    };
    if may { Ok(caller) } else { Err(Error::Forbidden) }
}

/// The user a token speaks for, if it is valid right now (contract 2.2): issued by us and in its time, after the user's last
/// sign-out, and, unless the user is an administrator, with an agency that is approved.
pub(crate) fn caller(connection: &Connection, token: &str) -> Result<Option<Caller>, Error> {
    let Some(token) = tokens::read(token)? else {
        return Ok(None);
    };
    let Some((user, agency)) = users::find_with_agency(connection, token.user_id)? else {
        return Ok(None);
    };
    let approved = agency.as_ref().is_some_and(|agency| agency.approved);
    let valid = token.issued_at >= user.time_sign_out && (user.role.is_admin() || approved);
    Ok(valid.then_some(Caller { user, agency }))
}

/// Lets another service in.
pub(crate) fn admit_service(request: &Request) -> Result<(), Error> {
    let key = request.bearer().ok_or(Error::NoServiceKey)?;
    if keys::matches(key, &settings::text("organizer_key")?) {
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
