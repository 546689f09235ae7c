//! An agency's users (contract 3.4, "Agency users").

use http::StatusCode;
use service::clock;
use service::database::transaction;
use service::door::{Answer, Request};
use service::password::Hashing;

use crate::access::{self, Need};
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::json;
use crate::session::{EMAIL_RULES, PASSWORD_RULES};
use crate::store;
use crate::store::changelogs::{self, Change};
use crate::store::users::{self, NewUser, Role};

/// What a form says of a person who is about to have an account.
pub(crate) struct Person {
    pub email: String,
    pub password: String,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
}

impl Person {
    /// The fields of NewOwner (contract 3.3).
    pub(crate) fn read(form: &mut Form) -> Person {
        let person = Person {
            email: form.text("email", EMAIL_RULES),
            password: form.text("password", PASSWORD_RULES),
            first_name: form.text("firstName", NAME_RULES),
            last_name: form.text("lastName", NAME_RULES),
            phone_number: form.text("phoneNumber", &[Rule::Phone, Rule::MaxLength(30)]),
        };
        form.text("confirmPassword", PASSWORD_RULES);
        form.must_equal("confirmPassword", "password");
        person
    }

    /// The account to store. This hashes the password, so it does not belong into a transaction, which holds the write lock.
    pub(crate) fn into_user(self, role: Role) -> Result<NewUser, Error> {
        Ok(NewUser {
            email: self.email,
            password_hash: Hashing::from_settings()?.hash(&self.password)?,
            first_name: self.first_name,
            last_name: self.last_name,
            phone_number: self.phone_number,
            role,
        })
    }
}

const NAME_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(100)];

/// `GET /agency/users`
pub(crate) fn list_users(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    Ok(json(
        StatusCode::OK,
        &users::list_of_agency(&connection, caller.agency_id()?)?,
    ))
}

/// `GET /agency/users/:id`
pub(crate) fn show_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let user = users::find_of_agency(&connection, id, agency_id)?
        .ok_or_else(|| Error::NotFound(format!("User with id {id} not found in agency {agency_id}")))?;
    Ok(json(StatusCode::OK, &user))
}

/// `POST /agency/users`
pub(crate) fn create_user(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let agency_id = caller.agency_id()?;
    let mut form = Form::read(request)?;
    let person = Person::read(&mut form);
    let role = form.role("role");
    form.finish()?;

    if !caller.user.role.may_manage(role) {
        return Err(Error::NotAllowed(
            "Not allowed to create user with same role or senior",
        ));
    }
    let user = person.into_user(role)?;
    let user = transaction(&connection, |connection| {
        let user = users::insert(connection, &user, Some(agency_id), clock::now())?
            .ok_or_else(|| Error::BadRequest("Email is already taken".to_owned()))?;
        changelogs::record(connection, &caller.user, Change::insert(&user))?;
        Ok::<_, Error>(user)
    })?;
    Ok(json(StatusCode::CREATED, &user))
}
