//! The second factor that users may switch on for themselves (docs/organizer-api.md): codes of an authenticator app,
//! and recovery codes for those who have lost it.

use http::StatusCode;
use serde::Serialize;
use service::credentials::{self, CodeClaim};
use service::database::{self, Connection};
use service::door::{Answer, Request};

use crate::access::{self, Caller, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::session::{self, PASSWORD_RULES};
use crate::store::agencies::Agency;
use crate::store::changelogs::{self, Change, UserOfAgency};
use crate::store::second_factors::{self, UserWithSecondFactor};
use crate::store::users::{self, User};
use crate::store::{self, agencies};
use crate::totp::{self, Code};
use crate::users::managed;

/// A recovery code with spaces is shorter.
pub(crate) const CODE_RULES: &[Rule] = &[Rule::Text, Rule::MaxLength(64)];

/// What an authenticator app has to know.
#[derive(Serialize)]
struct NewSecret {
    secret: String,
    /// The same for a QR code.
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// `GET /profile/second-factor`
pub(crate) fn show_own(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    answer_state(&connection, caller.user.id)
}

pub(crate) fn read_password(form: &mut Form) -> String {
    form.text("password", PASSWORD_RULES)
}

/// `POST /profile/second-factor`: a secret for the app. Sign-ins ask for codes once a first one has come.
pub(crate) fn set_up(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let password = Form::parse(request, read_password)?;

    check_password(&connection, request, &caller, &password)?;
    let secret = totp::new_secret()?;
    caller.change(&connection, |connection, caller| {
        if second_factors::set_up(connection, caller.user.id, &secret)? {
            Ok(())
        } else {
            Err(Error::BadRequest("the second factor is on already".to_owned()))
        }
    })?;
    let uri = totp::address(&secret, &caller.user.email);
    Ok(json(StatusCode::CREATED, &NewSecret { secret, uri }))
}

pub(crate) fn read_code(form: &mut Form) -> String {
    form.text("code", CODE_RULES)
}

/// `POST /profile/second-factor/confirm`: a first code switches the second factor on. The recovery codes are shown only
/// here.
pub(crate) fn confirm(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let code = Form::parse(request, read_code)?;

    const NONE: &str = "there is no second factor to confirm";
    let none = || Error::NotFound(NONE.to_owned());
    let user_id = caller.user.id;
    let secret = second_factors::unconfirmed_secret(&connection, user_id)?.ok_or_else(none)?;
    let now = database::now(&connection)?;
    let step = match Code::parse(&code) {
        Some(Code::OfApp(code)) => totp::step_of(code, &secret, now),
        Some(Code::Recovery(_)) | None => None,
    };
    throttled(&connection, request, &caller.user, || Ok(step.is_some()))?;
    let step = step.ok_or_else(invalid_code)?;
    let recovery_codes = totp::new_recovery_codes()?;
    let hashes: Vec<String> = recovery_codes
        .iter()
        .filter_map(|code| Code::parse(code))
        .filter_map(|code| match code {
            Code::Recovery(hash) => Some(hash),
            Code::OfApp(_) => None,
        })
        .collect();
    caller.change(&connection, |connection, caller| {
        let user = &caller.user;
        if !second_factors::confirm(connection, user.id, &secret, step, &hashes, now)? {
            return Err(none());
        }
        record(connection, caller, user.clone(), caller.agency.clone(), true)?;
        Ok(())
    })?;
    Ok(json(StatusCode::OK, &RecoveryCodes { recovery_codes }))
}

pub(crate) fn read_password_and_code(form: &mut Form) -> (String, String) {
    (
        form.text("password", PASSWORD_RULES),
        form.text("code", CODE_RULES),
    )
}

/// `DELETE /profile/second-factor`
pub(crate) fn remove_own(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let (password, code) = Form::parse(request, read_password_and_code)?;

    check_password(&connection, request, &caller, &password)?;
    let user_id = caller.user.id;
    let secret = second_factors::secret(&connection, user_id)?.ok_or_else(|| not_found(user_id))?;
    check(&connection, request, &caller.user, &secret, &code)?;
    caller.change(&connection, |connection, caller| {
        let user = &caller.user;
        if !second_factors::remove(connection, user.id)? {
            return Err(not_found(user.id));
        }
        record(connection, caller, user.clone(), caller.agency.clone(), false)?;
        Ok(())
    })?;
    answer_state(&connection, user_id)
}

/// Answers whether the user that `find` returns has a second factor. The caller must be allowed to manage that user.
pub(crate) fn show(
    connection: &Connection,
    caller: &Caller,
    find: impl Fn(&Connection, &Caller) -> Result<User, Error>,
) -> Result<Answer, Error> {
    let user = managed(caller, find(connection, caller)?)?;
    answer_state(connection, user.id)
}

/// Removes the second factor of a user whom the caller may manage and `find` returns in the transaction. All sessions
/// of the user end.
pub(crate) fn remove(
    connection: &Connection,
    caller: &Caller,
    find: impl Fn(&Connection, &Caller) -> Result<User, Error>,
) -> Result<Answer, Error> {
    let user = caller.change(connection, |connection, caller| {
        let user = managed(caller, find(connection, caller)?)?;
        if !second_factors::remove(connection, user.id)? {
            return Err(not_found(user.id));
        }
        // Tokens of this very millisecond end as well.
        let time = database::now(connection)? + 1;
        let user = users::sign_out(connection, user.id, time)?.ok_or_else(|| not_found(user.id))?;
        let agency = match user.agency_id {
            Some(id) => agencies::find(connection, id)?,
            None => None,
        };
        record(connection, caller, user, agency, false)
    })?;
    Ok(json(StatusCode::OK, &user))
}

/// Checks a code of a user's second factor, and uses it up.
pub(crate) fn check(
    connection: &Connection,
    request: &Request,
    user: &User,
    secret: &str,
    code: &str,
) -> Result<(), Error> {
    throttled(connection, request, user, || {
        let used = match Code::parse(code) {
            Some(Code::OfApp(code)) => match totp::step_of(code, secret, database::now(connection)?) {
                Some(step) => second_factors::use_step(connection, user.id, secret, step)?,
                None => false,
            },
            Some(Code::Recovery(hash)) => second_factors::use_recovery_code(connection, user.id, &hash)?,
            None => false,
        };
        Ok(used)
    })
}

/// Refuses the request unless `use_up` answers that the code is right, or if too many codes were wrong.
fn throttled(
    connection: &Connection,
    request: &Request,
    user: &User,
    use_up: impl FnOnce() -> Result<bool, Error>,
) -> Result<(), Error> {
    let claim = CodeClaim {
        secret: "organizer_jwt_secret",
        account: &user.email,
        user: format!("organizer/{}", user.id),
    };
    if credentials::check_code(connection, request, &claim, use_up)? {
        Ok(())
    } else {
        Err(invalid_code())
    }
}

fn check_password(
    connection: &Connection,
    request: &Request,
    caller: &Caller,
    password: &str,
) -> Result<(), Error> {
    let hash = users::password_hash(connection, caller.user.id)?;
    let account = hash.as_deref().map(|hash| (caller.user.id, hash));
    if session::check_password(connection, request, &caller.user.email, password, account)? {
        Ok(())
    } else {
        Err(Error::BadRequest("invalid password".to_owned()))
    }
}

fn answer_state(connection: &Connection, user_id: i64) -> Result<Answer, Error> {
    Ok(json(StatusCode::OK, &second_factors::state(connection, user_id)?))
}

/// The record has that there is a second factor, and nothing else of it. Returns the user.
fn record(
    connection: &Connection,
    caller: &Caller,
    user: User,
    agency: Option<Agency>,
    has_second_factor: bool,
) -> Result<User, Error> {
    let changed = UserWithSecondFactor {
        of_agency: UserOfAgency { user, agency },
        has_second_factor,
    };
    changelogs::record(connection, &caller.user, Change::update(&changed)?)?;
    Ok(changed.of_agency.user)
}

fn invalid_code() -> Error {
    Error::BadRequest("invalid code".to_owned())
}

fn not_found(user_id: i64) -> Error {
    Error::NotFound(format!("User with id {user_id} has no second factor"))
}
