//! The caller's own account (contract 3.4, "Session and profile").

use http::StatusCode;
use serde::Serialize;
use service::database;
use service::door::{Answer, Request};
use service::password::Hashing;

use crate::access::{self, Need};
use crate::admin;
use crate::answer::json;
use crate::error::Error;
use crate::form::Form;
use crate::session::{self, NEW_PASSWORD_RULES, PASSWORD_RULES};
use crate::store::users::{Missing, User};
use crate::store::{self, agencies, changelogs, users};
use crate::users::read_edits;
use crate::words::Context;

/// A user's own account, and what it lacks.
#[derive(Serialize)]
pub(crate) struct Profile {
    #[serde(flatten)]
    pub user: User,
    #[serde(flatten)]
    pub missing: Missing,
}

/// `GET /profile`
pub(crate) fn show_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let profile = Profile {
        user: caller.user,
        missing: caller.missing,
    };
    Ok(json(StatusCode::OK, &profile))
}

/// `PATCH /profile`
pub(crate) fn edit_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let edits = Form::parse(request, read_edits)?;

    let user = caller.change(&connection, |connection, caller| {
        let user = users::update(connection, caller.user.id, &edits)?.ok_or(Error::Forbidden)?;
        changelogs::record_user_update(connection, &caller.user, user, caller.agency.clone())
    })?;
    let missing = caller.missing;
    Ok(json(StatusCode::OK, &Profile { user, missing }))
}

/// The old password and the new one.
pub(crate) fn read_passwords(form: &mut Form) -> (String, String) {
    let old_password = form.text("oldPassword", PASSWORD_RULES);
    let new_password = form.text("newPassword", NEW_PASSWORD_RULES);
    form.must_differ("newPassword", "oldPassword");
    form.text("confirmNewPassword", PASSWORD_RULES);
    form.must_equal("confirmNewPassword", "newPassword");
    (old_password, new_password)
}

/// `PATCH /profile/change-password`. All sessions end.
pub(crate) fn change_password(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Own)?;
    let (old_password, new_password) = Form::parse(request, read_passwords)?;
    Context::of(&caller.user, caller.agency.as_ref()).check("newPassword", &new_password)?;

    let email = &caller.user.email;
    let old_hash = users::password_hash(&connection, caller.user.id)?;
    let account = old_hash.as_deref().map(|hash| (caller.user.id, hash));
    if !session::check_password(&connection, request, email, &old_password, account)? {
        return Err(Error::BadRequest("invalid old password".to_owned()));
    }
    let new_hash = Hashing::from_settings::<Error>(&connection)?.hash(&new_password)?;
    let user = caller.change(&connection, |connection, caller| {
        let time = caller.time_of_sign_out(database::now(connection)?);
        let user = users::set_password(connection, caller.user.id, &new_hash, false, time)?
            .ok_or(Error::Forbidden)?;
        changelogs::record_user_update(connection, &caller.user, user, caller.agency.clone())
    })?;
    let missing = Missing {
        must_change_password: false,
        ..caller.missing
    };
    Ok(json(StatusCode::OK, &Profile { user, missing }))
}

pub(crate) fn read_agency_id(form: &mut Form) -> Option<i64> {
    form.optional_strict_id("agencyId")
}

/// `PATCH /profile/set-agency`: an administrator previews an agency, another one, or none (contract 3.6).
pub(crate) fn set_agency(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let agency_id = Form::parse(request, read_agency_id)?;

    let user = caller.change(&connection, |connection, caller| {
        let agency = match agency_id {
            Some(id) => Some(agencies::find(connection, id)?.ok_or_else(|| admin::not_found(id))?),
            None => None,
        };
        let user = users::set_agency(connection, caller.user.id, agency_id)?.ok_or(Error::Forbidden)?;
        changelogs::record_preview(connection, &caller.user, user, agency)
    })?;
    Ok(json(StatusCode::OK, &user))
}
