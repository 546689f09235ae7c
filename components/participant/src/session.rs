//! Signing up and in, and the caller's own profile (contract 2.3 and 4).

use email_address::{EmailAddress, Options};
use http::StatusCode;
use serde::Serialize;
use service::clock;
use service::door::{Answer, Request};
use service::password::Hashing;

use crate::body::Body;
use crate::error::Error;
use crate::store::participants::{self, NewParticipant, Participant};
use crate::{access, json, store, tokens};

#[derive(Serialize)]
struct SignedIn {
    user: Participant,
    token: String,
}

/// `POST /auth/sign-up`. The time of creation, which is also that of the last sign-out, is taken before the password is hashed, and the
/// token is issued after, so it works at once.
pub(crate) fn sign_up(request: &Request) -> Result<Answer, Error> {
    let now = clock::now();
    let body = Body::read(&request.body)?;
    let (email, password) = credentials(&body)?;
    if body.text("confirmPassword")? != password {
        return Err(Error::BadRequest(
            "confirmPassword must match password".to_owned(),
        ));
    }
    let phone_number = phone_number(&body)?;

    let participant = NewParticipant {
        email: email.to_owned(),
        password_hash: Hashing::from_settings()?.hash(password)?,
        phone_number: phone_number.to_owned(),
    };
    let connection = store::open()?;
    let user = participants::insert(&connection, &participant, now)?
        .ok_or_else(|| Error::BadRequest("email already exists".to_owned()))?;
    let token = tokens::issue(user.id)?;
    Ok(json(StatusCode::CREATED, &SignedIn { user, token }))
}

/// `POST /auth/sign-in`. An unknown e-mail and a wrong password are one answer, after the same work.
pub(crate) fn sign_in(request: &Request) -> Result<Answer, Error> {
    let body = Body::read(&request.body)?;
    let (email, password) = credentials(&body)?;

    let connection = store::open()?;
    let found = participants::find_for_sign_in(&connection, email)?;
    let hash = found.as_ref().map(|(_, hash)| hash.as_str());
    let verified = Hashing::from_settings()?.verify(password, hash)?.is_right();
    let (user, _) = found
        .filter(|_| verified)
        .ok_or(Error::Unauthorized("invalid email or password"))?;
    let token = tokens::issue(user.id)?;
    Ok(json(StatusCode::OK, &SignedIn { user, token }))
}

/// `GET /profile`
pub(crate) fn show_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let participant = access::admit(&connection, request)?;
    Ok(json(StatusCode::OK, &participant))
}

/// E-mail and password, in the order in which the contract checks them.
fn credentials(body: &Body) -> Result<(&str, &str), Error> {
    let (email, password) = (body.text("email")?, body.text("password")?);
    if !is_email(email) {
        return Err(Error::BadRequest("invalid email address".to_owned()));
    }
    if password.len() < 8 {
        return Err(Error::BadRequest(
            "password must be at least 8 characters".to_owned(),
        ));
    }
    Ok((email, password))
}

/// Whatever parses as a mail address, a display name included: `Jan <jan@b>` and `a@b` pass.
fn is_email(text: &str) -> bool {
    text.chars().count() <= 320 && EmailAddress::parse_with_options(text, Options::default()).is_ok()
}

/// Contract 1.4: unvalidated but for its length, which storage limits.
fn phone_number(body: &Body) -> Result<&str, Error> {
    let phone_number = body.text("phoneNumber")?;
    if phone_number.chars().count() > 30 {
        return Err(Error::BadRequest(
            "phoneNumber must be at most 30 characters".to_owned(),
        ));
    }
    Ok(phone_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parseable_mail_address_passes() {
        for email in ["a@b", "Jan <jan@b>", "a.b+c@example.org"] {
            assert!(is_email(email), "{email}");
        }
        for email in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            &format!("{}@example.org", "a".repeat(320)),
        ] {
            assert!(!is_email(email), "{email}");
        }
    }
}
