//! Signing up, in and out (contract 2.3 and 4), and guests: accounts that a device makes to press help at once. A guest
//! who signs up keeps the account. A guest who signs in takes along what is open.

use http::StatusCode;
use serde::Serialize;
use service::credentials::{self, Claim};
use service::database::{self, Connection};
use service::door::{Answer, Request};
use service::email::{self, Options};
use service::guessable::{self, KnownPasswords};
use service::log;
use service::password::{self, Hashing};
use service::settings::{self, Completeness};
use service::throttle::{self, Crowds, Newcomers};
use uuid::Uuid;

use crate::answer::json;
use crate::body::Body;
use crate::error::Error;
use crate::store::participants::{self, NewParticipant, Participant};
use crate::{access, contacts, hand_overs, store, tokens};

#[derive(Serialize)]
struct SignedIn {
    user: Participant,
    token: String,
}

#[derive(Serialize)]
struct NewGuest {
    #[serde(flatten)]
    signed_in: SignedIn,
    /// The device signs in with it when the token has ended.
    password: String,
}

/// Mail to this domain goes nowhere (RFC 2606).
const GUEST_DOMAIN: &str = "guest.invalid";

/// `POST /auth/guest`: an account without e-mail, for a device that keeps the password. It costs no slow hash, since
/// the password cannot be guessed.
pub(crate) fn make_guest(request: &Request) -> Result<Answer, Error> {
    let body = match request.body.is_empty() {
        true => Body::default(),
        false => Body::read(&request.body)?,
    };
    let (phone_number, name) = (phone_number(&body)?, name(&body)?);

    let connection = store::open()?;
    let address = admit(&connection, request, Newcomers::Guests)?;
    let (password, password_hash) = password::random()?;
    let guest = NewParticipant {
        email: format!("guest-{}@{GUEST_DOMAIN}", Uuid::now_v7()),
        password_hash,
        phone_number: phone_number.to_owned(),
        is_guest: true,
        name: name.to_owned(),
    };
    let user = participants::insert(&connection, &guest)?
        .ok_or_else(|| Error::BadRequest("email already exists".to_owned()))?;
    let token = tokens::issue(&user, user.time_created)?;
    log::set_user("participant", user.id);
    service::info!("signed up as a guest, from {address}");
    let signed_in = SignedIn { user, token };
    Ok(json(StatusCode::CREATED, &NewGuest { signed_in, password }))
}

/// Counts a newcomer, unless too many come from the same address. Returns that address.
fn admit(connection: &Connection, request: &Request, newcomers: Newcomers) -> Result<String, Error> {
    let address = throttle::address(request, &settings::text("client_address_header")?);
    let secret = settings::secret("participant_jwt_secret")?;
    let now = database::now(connection)?;
    throttle::admit(connection, newcomers, &secret, &address, now).map_err(|throttled| {
        Error::TooManyNewcomers {
            newcomers: newcomers.name(),
            retry_after: throttled.retry_after,
        }
    })?;
    Ok(address)
}

/// `POST /auth/sign-up`. The token is as of the account's creation, which is also its last sign-out, so it works at
/// once. With a guest's token the guest's account becomes the new one, whose open requests and chats stay. The guest's
/// sockets stay open: it is the same person at the same device.
pub(crate) fn sign_up(request: &Request) -> Result<Answer, Error> {
    let body = Body::read(&request.body)?;
    let completeness = settings::completeness()?;
    let (email, password, phone_number) = read_sign_up(&body, completeness)?;
    hard_to_guess("password", password, email, completeness)?;

    let connection = store::open()?;
    let address = admit(&connection, request, Newcomers::SignUps)?;
    let participant = NewParticipant {
        email: email.to_owned(),
        password_hash: Hashing::from_settings::<Error>(&connection)?.hash(password)?,
        phone_number: phone_number.to_owned(),
        is_guest: false,
        name: String::new(),
    };
    let taken = || Error::BadRequest("email already exists".to_owned());
    if let Some(guest) = access::guest(&connection, request)? {
        log::set_user("participant", guest.participant.id);
        let promoted = guest.change_guest(&connection, |connection, guest| {
            let user = participants::promote(connection, guest.id, &participant)?.ok_or_else(taken)?;
            Ok((user, database::now(connection)?))
        })?;
        if let Some((user, now)) = promoted {
            contacts::tell_due(&connection)
                .unwrap_or_else(|error| service::warn!("a change of contact waits to be told: {error}"));
            let token = tokens::issue(&user, now)?;
            service::info!("signed up, a guest until now, from {address}");
            return Ok(json(StatusCode::CREATED, &SignedIn { user, token }));
        }
    }
    let user = participants::insert(&connection, &participant)?.ok_or_else(taken)?;
    let token = tokens::issue(&user, user.time_created)?;
    log::set_user("participant", user.id);
    service::info!("signed up, from {address}");
    Ok(json(StatusCode::CREATED, &SignedIn { user, token }))
}

/// `POST /auth/sign-in`. An unknown e-mail and a wrong password are one answer, after the same work. With a guest's
/// token all that the guest has open becomes the account's, and the guest is signed out.
pub(crate) fn sign_in(request: &Request) -> Result<Answer, Error> {
    let body = Body::read(&request.body)?;
    let (email, password) = read_credentials(&body)?;

    let connection = store::open()?;
    // A password change during the check revokes the token that is issued here.
    let started = database::now(&connection)?;
    let found = participants::find_for_sign_in(&connection, email)?;
    let account = found.as_ref().map(|(user, hash)| (user.id, hash.as_str()));
    let right = check_password(&connection, request, email, password, account)?;
    let (user, _) = found
        .filter(|_| right)
        .ok_or(Error::Unauthorized("invalid email or password"))?;
    if user.is_guest {
        participants::note_activity(&connection, user.id)?;
    }
    let guest = access::guest(&connection, request)?;
    if let Some(guest) = guest.filter(|guest| guest.participant.id != user.id) {
        hand_overs::begin(&connection, &guest, user.id)?;
    }
    let token = tokens::issue(&user, started)?;
    log::set_user("participant", user.id);
    service::info!("signed in");
    Ok(json(StatusCode::OK, &SignedIn { user, token }))
}

/// Whether a password is that of the account with this e-mail, whose id and hash are given if there is one. A hash that
/// has become too cheap is replaced.
pub(crate) fn check_password(
    connection: &Connection,
    request: &Request,
    email: &str,
    password: &str,
    account: Option<(i64, &str)>,
) -> Result<bool, Error> {
    let claim = Claim {
        secret: "participant_jwt_secret",
        account: email,
        user: account.map(|(id, _)| format!("participant/{id}")),
        password,
        hash: account.map(|(_, hash)| hash),
        crowds: Crowds::Expected,
    };
    credentials::check(connection, request, &claim, |old, new| {
        Ok(participants::rehash_password(connection, email, old, new)?)
    })
}

/// `POST /auth/sign-out`. All sessions end.
pub(crate) fn sign_out(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    caller.change(&connection, |connection, participant| {
        let time = caller.time_of_sign_out(database::now(connection)?);
        Ok(participants::sign_out(connection, participant.id, time)?)
    })?;
    service::info!("signed out");
    Ok(Answer::empty(StatusCode::OK).with("content-type", "application/json"))
}

/// E-mail, password and phone number.
pub(crate) fn read_sign_up(body: &Body, completeness: Completeness) -> Result<(&str, &str, &str), Error> {
    let (email, password) = read_credentials(body)?;
    new_long_enough("password", password, completeness)?;
    if body.text("confirmPassword")? != password {
        return Err(Error::BadRequest(
            "confirmPassword must match password".to_owned(),
        ));
    }
    Ok((email, password, phone_number(body)?))
}

/// E-mail and password, in the order in which the contract checks them.
pub(crate) fn read_credentials(body: &Body) -> Result<(&str, &str), Error> {
    let (email, password) = (body.text("email")?, body.text("password")?);
    if !is_email(email) {
        return Err(Error::BadRequest("invalid email address".to_owned()));
    }
    long_enough("password", password)?;
    Ok((email, password))
}

/// Refuses a password that is too short. Contract 2.4 counts bytes.
pub(crate) fn long_enough(field: &str, password: &str) -> Result<(), Error> {
    check_length(field, password.len())
}

/// Refuses a new password that is too short. Where accounts have to be complete, its characters count: eight bytes can
/// be two of them.
pub(crate) fn new_long_enough(field: &str, password: &str, completeness: Completeness) -> Result<(), Error> {
    let length = match completeness {
        Completeness::Optional => password.len(),
        Completeness::Required | Completeness::RequiredOfAll => password.chars().count(),
    };
    check_length(field, length)
}

fn check_length(field: &str, length: usize) -> Result<(), Error> {
    const LEAST: usize = 8;
    if length < LEAST {
        return Err(Error::BadRequest(format!(
            "{field} must be at least {LEAST} characters"
        )));
    }
    Ok(())
}

/// The 8,359 of Django's 20,000 most common passwords that are long enough.
const KNOWN_PASSWORDS: KnownPasswords = KnownPasswords(include_bytes!("known-passwords.bin"));

/// Refuses a new password that is easy to guess, where accounts have to be complete.
pub(crate) fn hard_to_guess(
    field: &str,
    password: &str,
    email: &str,
    completeness: Completeness,
) -> Result<(), Error> {
    if completeness == Completeness::Optional {
        return Ok(());
    }
    let rule = if guessable::consists_of(password, &[email]) {
        "consist of the email and mayday"
    } else if KNOWN_PASSWORDS.contain(password) {
        "be a common password"
    } else {
        return Ok(());
    };
    Err(Error::BadRequest(format!("{field} must not {rule}")))
}

/// Anything that parses as a mail address, with or without a display name: `Jan <jan@b>` and `a@b` pass.
fn is_email(text: &str) -> bool {
    text.chars().count() <= 320 && email::is_address(text, Options::default())
}

/// Contract 1.4: unvalidated but for its length, which storage limits.
pub(crate) fn phone_number(body: &Body) -> Result<&str, Error> {
    let phone_number = body.text("phoneNumber")?;
    if phone_number.chars().count() > 30 {
        return Err(Error::BadRequest(
            "phoneNumber must be at most 30 characters".to_owned(),
        ));
    }
    Ok(phone_number)
}

/// What to call a guest.
pub(crate) fn name(body: &Body) -> Result<&str, Error> {
    let name = body.text("name")?.trim();
    if name.chars().count() > 100 {
        return Err(Error::BadRequest(
            "name must be at most 100 characters".to_owned(),
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parseable_mail_address_passes() {
        for email in [
            "a@b",
            "Jan <jan@b>",
            "a.b+c@example.org",
            "संपर्क@डाटामेल.भारत",
            "x@हिन्दी.भारत",
            "น้ำ@b.example",
            "น้ำ <น้ำ@b>",
        ] {
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

    /// OWASP ASVS 5.0, 6.2.4, asks for 3,000.
    #[test]
    fn eight_thousand_passwords_are_known_and_sorted() {
        let (hashes, rest) = KNOWN_PASSWORDS.0.as_chunks::<5>();
        assert_eq!((hashes.len(), rest.len()), (8_359, 0));
        assert!(hashes.is_sorted());
    }
}
