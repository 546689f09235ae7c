//! Signing in and out (contract 2.3).

use http::StatusCode;
use serde::Serialize;
use service::credentials::{self, Claim};
use service::database::{self, Connection};
use service::door::{Answer, Request};
use service::throttle::Crowds;
use service::{log, settings};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::profile::Profile;
use crate::second_factor::{self, CODE_RULES};
use crate::store::{changelogs, users};
use crate::{store, tokens};

/// Contract 2.4.
pub(crate) const PASSWORD_RULES: &[Rule] = &[Rule::Text, Rule::MinLength(16), Rule::MaxLength(128)];

/// A password that somebody chooses now. Older ones are still accepted at sign-in.
pub(crate) const NEW_PASSWORD_RULES: &[Rule] = &[
    Rule::Text,
    Rule::MinLength(16),
    Rule::MaxLength(128),
    Rule::Uncommon,
];

/// Contract 1.3.
pub(crate) const EMAIL_RULES: &[Rule] = &[Rule::Email, Rule::MaxLength(320)];

#[derive(Serialize)]
struct SignedIn {
    user: Profile,
    token: String,
}

/// E-mail, password, and the code of those who have a second factor.
pub(crate) fn read_credentials(form: &mut Form) -> (String, String, Option<String>) {
    (
        form.text("email", EMAIL_RULES),
        form.text("password", PASSWORD_RULES),
        form.optional_text("code", CODE_RULES),
    )
}

/// `POST /auth/sign-in`. Checks the password before the agency's approval and the code, so that only those who know the
/// password learn about either. An account that is not complete signs in like any other: its token opens the own
/// profile, where it can be completed.
pub(crate) fn sign_in(request: &Request) -> Result<Answer, Error> {
    let (email, password, code) = Form::parse(request, read_credentials)?;

    let connection = store::open()?;
    // A password change during the check revokes the token that is issued here.
    let started = database::now(&connection)?;
    if email == settings::text("superadmin_email")? && !users::superadmin_exists(&connection)? {
        store::ensure_superadmin(&connection)?;
    }
    let found = users::find_for_sign_in(&connection, &email)?;
    let known = found
        .as_ref()
        .map(|account| (account.user.id, account.password_hash.as_str()));
    let right = check_password(&connection, request, &email, &password, known)?;
    let Some(account) = found.filter(|_| right) else {
        return Err(Error::BadRequest("invalid email or password".to_owned()));
    };
    let user = account.user;
    log::set_user("organizer", user.id);
    if !user.role.is_admin() && !account.approved {
        service::warn!("not signed in: the agency is not approved");
        return Err(Error::BadRequest(
            "your agency is not approved by administrators".to_owned(),
        ));
    }
    if let Some(secret) = account.second_factor {
        let code = code
            .filter(|code| !code.is_empty())
            .ok_or_else(|| Error::BadRequest("second factor required".to_owned()))?;
        second_factor::check(&connection, request, &user, &secret, &code)?;
    }
    let token = tokens::issue(&user, started)?;
    let missing = access::required(account.missing, &user)?;
    service::info!("signed in");
    let user = Profile { user, missing };
    Ok(json(StatusCode::OK, &SignedIn { user, token }))
}

/// Whether a password is right for the account with this e-mail. `account` is its id and hash, absent if there is none.
/// Replaces a hash that was made with too little work.
pub(crate) fn check_password(
    connection: &Connection,
    request: &Request,
    email: &str,
    password: &str,
    account: Option<(i64, &str)>,
) -> Result<bool, Error> {
    let claim = Claim {
        secret: "organizer_jwt_secret",
        account: email,
        user: account.map(|(id, _)| format!("organizer/{id}")),
        password,
        hash: account.map(|(_, hash)| hash),
        crowds: Crowds::Unexpected,
    };
    credentials::check(connection, request, &claim, |old, new| {
        Ok(users::rehash_password(connection, email, old, new)?)
    })
}

/// `POST /auth/sign-out`
pub(crate) fn sign_out(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    caller.change(&connection, |connection, caller| {
        let time = caller.time_of_sign_out(database::now(connection)?);
        let user = users::sign_out(connection, caller.user.id, time)?.ok_or(Error::Forbidden)?;
        changelogs::record_user_update(connection, &caller.user, user, caller.agency.clone())
    })?;
    Ok(Answer::empty(StatusCode::OK))
}
