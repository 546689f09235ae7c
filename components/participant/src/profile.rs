//! The caller's own account (contract 4).

use http::StatusCode;
use service::database::{self, Connection};
use service::door::{Answer, Request};
use service::password::Hashing;
use service::settings::{self, Completeness};

use crate::access::Caller;
use crate::answer::json;
use crate::body::Body;
use crate::error::Error;
use crate::session::{check_password, hard_to_guess, long_enough, new_long_enough, phone_number};
use crate::store::participants;
use crate::{access, contacts, store};

/// `GET /profile`
pub(crate) fn show_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    Ok(json(StatusCode::OK, &caller.participant))
}

/// `PATCH /profile`. A phone number that is left out becomes empty. Whoever is talking to the participant has the new
/// one from then on.
pub(crate) fn edit_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let body = Body::read(&request.body)?;
    let phone_number = phone_number(&body)?;
    let participant = caller.change(&connection, |connection, participant| {
        Ok(participants::set_phone_number(
            connection,
            participant.id,
            phone_number,
        )?)
    })?;
    tell_messenger(&connection);
    Ok(json(StatusCode::OK, &participant))
}

/// The old password and the new one.
pub(crate) fn read_passwords(body: &Body, completeness: Completeness) -> Result<(&str, &str), Error> {
    let (old_password, new_password) = (body.text("oldPassword")?, body.text("newPassword")?);
    long_enough("oldPassword", old_password)?;
    new_long_enough("newPassword", new_password, completeness)?;
    if body.text("confirmNewPassword")? != new_password {
        return Err(Error::BadRequest(
            "confirmNewPassword must match newPassword".to_owned(),
        ));
    }
    if new_password == old_password {
        return Err(Error::BadRequest(
            "newPassword must be different from oldPassword".to_owned(),
        ));
    }
    Ok((old_password, new_password))
}

/// `PATCH /profile/change-password`. All sessions end.
pub(crate) fn change_password(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let body = Body::read(&request.body)?;
    let completeness = settings::completeness()?;
    let (old_password, new_password) = read_passwords(&body, completeness)?;
    hard_to_guess(
        "newPassword",
        new_password,
        &caller.participant.email,
        completeness,
    )?;
    verify(&connection, request, &caller, old_password)?;

    let hash = Hashing::from_settings::<Error>(&connection)?.hash(new_password)?;
    let participant = caller.change(&connection, |connection, participant| {
        let time = caller.time_of_sign_out(database::now(connection)?);
        Ok(participants::set_password(
            connection,
            participant.id,
            &hash,
            time,
        )?)
    })?;
    Ok(json(StatusCode::OK, &participant))
}

pub(crate) fn read_password(body: &Body) -> Result<&str, Error> {
    let password = body.text("password")?;
    long_enough("password", password)?;
    Ok(password)
}

/// `DELETE /profile`. The account goes with its locks and what waits to be delivered, and the messenger forgets the
/// person.
pub(crate) fn delete_profile(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let body = Body::read(&request.body)?;
    let password = read_password(&body)?;
    verify(&connection, request, &caller, password)?;

    let participant = caller.change(&connection, |connection, participant| {
        participants::delete(connection, participant.id)?;
        Ok(participant.clone())
    })?;
    tell_messenger(&connection);
    Ok(json(StatusCode::OK, &participant))
}

/// The change is stored and noted for the messenger, so the next tick repeats what fails now.
fn tell_messenger(connection: &Connection) {
    contacts::tell_due(connection)
        .unwrap_or_else(|error| service::warn!("a change of contact waits to be told: {error}"));
}

fn verify(connection: &Connection, request: &Request, caller: &Caller, password: &str) -> Result<(), Error> {
    let hash = participants::password_hash(connection, caller.participant.id)?;
    let email = &caller.participant.email;
    let account = hash.as_deref().map(|hash| (caller.participant.id, hash));
    if check_password(connection, request, email, password, account)? {
        Ok(())
    } else {
        Err(Error::Unauthorized("invalid password"))
    }
}
