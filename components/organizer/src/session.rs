//! Signing in, and the caller's own profile (contract 2.3 and 3.4, "Session and profile").

use http::StatusCode;
use serde::Serialize;
use service::door::{Answer, Request};
use service::password::Hashing;
use service::settings;

use crate::access::{self, Need};
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::store::users::{self, User};
use crate::{json, store, tokens};

/// Contract 2.4.
pub(crate) const PASSWORD_RULES: &[Rule] = &[Rule::Text, Rule::MinLength(16), Rule::MaxLength(128)];

/// Contract 1.3.
pub(crate) const EMAIL_RULES: &[Rule] = &[Rule::Email, Rule::MaxLength(320)];

#[derive(Serialize)]
struct SignedIn {
    user: User,
    token: String,
}

/// `POST /auth/sign-in`. The password is checked before the approval, so only who knows it learns of the other.
pub(crate) fn sign_in(request: &Request) -> Result<Answer, Error> {
    let mut form = Form::read(request)?;
    let email = form.text("email", EMAIL_RULES);
    let password = form.text("password", PASSWORD_RULES);
    form.finish()?;

    let connection = store::open()?;
    if email == settings::text("superadmin_email")? {
        service::database::transaction(&connection, store::ensure_superadmin)?;
    }
    let found = users::find_for_sign_in(&connection, &email)?;
    let hash = found.as_ref().map(|(_, hash, _)| hash.as_str());
    let verified = Hashing::from_settings()?.verify(&password, hash)?;
    let Some((user, _, approved)) = found.filter(|_| verified) else {
        return Err(Error::BadRequest("invalid email or password".to_owned()));
    };
    if !user.role.is_admin() && !approved {
        return Err(Error::BadRequest(
            "your agency is not approved by administrators".to_owned(),
        ));
    }
    let token = tokens::issue(user.id)?;
    Ok(json(StatusCode::OK, &SignedIn { user, token }))
}

/// `GET /profile`
pub(crate) fn show_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Any)?;
    Ok(json(StatusCode::OK, &caller.user))
}
