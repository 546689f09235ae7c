//! An agency's users (contract 3.4, "Agency users").

use http::StatusCode;
use serde::Serialize;
use service::database;
use service::database::Connection;
use service::door::{Answer, Request};
use service::password::Hashing;

use crate::access::{self, Caller, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::lists::ListQuery;
use crate::second_factor;
use crate::session::{EMAIL_RULES, NEW_PASSWORD_RULES, PASSWORD_RULES};
use crate::store::changelogs::{self, Change};
use crate::store::users::{self, NewUser, Role, User, UserEdits};
use crate::store::{self, agencies, removal};
use crate::words::Context;

/// The fields of a person's new account.
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
            password: form.text("password", NEW_PASSWORD_RULES),
            first_name: form.text("firstName", NAME_RULES),
            last_name: form.text("lastName", NAME_RULES),
            phone_number: form.text("phoneNumber", PHONE_RULES),
        };
        form.text("confirmPassword", PASSWORD_RULES);
        form.must_equal("confirmPassword", "password");
        person
    }

    /// What the password must not consist of, besides the name of the agency that the person belongs to.
    pub(crate) fn context<'a>(&'a self, agency: Option<&'a str>) -> Context<'a> {
        Context {
            email: &self.email,
            first_name: &self.first_name,
            last_name: &self.last_name,
            agency,
        }
    }

    /// The account to store. `initial_password` tells whether a senior has chosen the password. Hashes it, so do not
    /// call this in a transaction, which holds the write lock.
    pub(crate) fn into_user(
        self,
        connection: &Connection,
        role: Role,
        initial_password: bool,
    ) -> Result<NewUser, Error> {
        Ok(NewUser {
            email: self.email,
            password_hash: Hashing::from_settings::<Error>(connection)?.hash(&self.password)?,
            initial_password,
            first_name: self.first_name,
            last_name: self.last_name,
            phone_number: self.phone_number,
            role,
        })
    }
}

pub(crate) const NAME_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(100)];

pub(crate) const PHONE_RULES: &[Rule] = &[Rule::Phone, Rule::MaxLength(30)];

/// The fields of EditPerson (contract 3.3).
pub(crate) fn read_edits(form: &mut Form) -> UserEdits {
    UserEdits {
        first_name: form.optional_text("firstName", NAME_RULES),
        last_name: form.optional_text("lastName", NAME_RULES),
        phone_number: form.optional_text("phoneNumber", PHONE_RULES),
        role: None,
    }
}

/// The same with a role.
pub(crate) fn read_edits_with_role(form: &mut Form) -> UserEdits {
    UserEdits {
        role: form.optional_role("role"),
        ..read_edits(form)
    }
}

/// A role, as an option in a form.
#[derive(Serialize)]
pub(crate) struct RoleOption {
    key: Role,
    value: &'static str,
}

/// The roles that an agency's users can have.
pub(crate) const AGENCY_ROLES: [RoleOption; 3] = [
    RoleOption {
        key: Role::AgencyOwner,
        value: "Agency owner",
    },
    RoleOption {
        key: Role::AgencyManager,
        value: "Agency manager",
    },
    RoleOption {
        key: Role::AgencySupport,
        value: "Agency support",
    },
];

/// The roles that administrators can give.
pub(crate) const ADMIN_ROLES: [RoleOption; 4] = {
    let [owner, manager, support] = AGENCY_ROLES;
    [
        RoleOption {
            key: Role::Admin,
            value: "Admin",
        },
        owner,
        manager,
        support,
    ]
};

/// `GET /agency/users/roles`
pub(crate) fn list_roles(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Support)?;
    Ok(json(StatusCode::OK, &AGENCY_ROLES))
}

/// `GET /agency/users`
pub(crate) fn list_users(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    ListQuery::read(request)?.answer(|page| users::list_of_agency(&connection, agency_id, page))
}

/// `GET /agency/users/:id`. An administrator without preview finds any user, to look up the actors in the record
/// (contract 3.1).
pub(crate) fn show_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let user = match &caller.agency {
        Some(agency) => {
            users::find_of_agency(&connection, id, agency.id)?.ok_or_else(|| not_found_in(id, agency.id))?
        }
        None => users::find(&connection, id)?.ok_or_else(|| not_found(id))?,
    };
    Ok(json(StatusCode::OK, &user))
}

/// `POST /agency/users`
pub(crate) fn create_user(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    caller.agency_id()?;
    create(request, &connection, &caller, |caller| {
        caller.agency_id().map(Some)
    })
}

pub(crate) fn read_new_user(form: &mut Form) -> (Person, Role) {
    (Person::read(form), form.role("role"))
}

/// Creates a user whom the caller may manage, in the agency that `agency_of` returns in the transaction.
pub(crate) fn create(
    request: &Request,
    connection: &Connection,
    caller: &Caller,
    agency_of: fn(&Caller) -> Result<Option<i64>, Error>,
) -> Result<Answer, Error> {
    let (person, role) = Form::parse(request, read_new_user)?;
    let agency = caller.agency.as_ref().map(|agency| agency.name.as_str());
    person.context(agency).check("password", &person.password)?;

    const NOT_ALLOWED: Error = Error::NotAllowed("Not allowed to create user with same role or senior");
    if !caller.user.role.may_manage(role) {
        return Err(NOT_ALLOWED);
    }
    let user = person.into_user(connection, role, true)?;
    let user = caller.change(connection, |connection, caller| {
        if !caller.user.role.may_manage(role) {
            return Err(NOT_ALLOWED);
        }
        let user = users::insert(connection, &user, agency_of(caller)?, database::now(connection)?)?
            .ok_or_else(|| Error::BadRequest("Email is already taken".to_owned()))?;
        changelogs::record(connection, &caller.user, Change::insert(&user)?)?;
        Ok(user)
    })?;
    Ok(json(StatusCode::CREATED, &user))
}

/// `PATCH /agency/users/:id`
pub(crate) fn edit_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let edits = Form::parse(request, read_edits_with_role)?;

    let user = caller.change(&connection, |connection, caller| {
        let user = find_colleague(connection, caller, id)?;
        edit(connection, caller, &user, &edits)
    })?;
    Ok(json(StatusCode::OK, &user))
}

/// Edits a user. The caller must be allowed to manage the user before and after the edit.
pub(crate) fn edit(
    connection: &Connection,
    caller: &Caller,
    user: &User,
    edits: &UserEdits,
) -> Result<User, Error> {
    let manages = |role| caller.user.role.may_manage(role);
    if !manages(user.role) || !edits.role.is_none_or(manages) {
        return Err(Error::NotAllowed(
            "Not allowed to update user with same role or senior",
        ));
    }
    let edited = users::update(connection, user.id, edits)?.ok_or_else(|| not_found(user.id))?;
    if edited.role.is_admin() != user.role.is_admin() {
        changelogs::set_by_admin(connection, user.id, edited.role.is_admin())?;
    }
    let agency = match edited.agency_id {
        Some(id) => agencies::find(connection, id)?,
        None => None,
    };
    changelogs::record_user_update(connection, &caller.user, edited, agency)
}

/// A user, if the caller may manage the user.
pub(crate) fn managed(caller: &Caller, user: User) -> Result<User, Error> {
    if caller.user.role.may_manage(user.role) {
        Ok(user)
    } else {
        Err(Error::NotAllowed(
            "Not allowed to update user with same role or senior",
        ))
    }
}

/// `PATCH /agency/users/:id/password`: a new password for a user who has lost theirs. All sessions of the user end.
pub(crate) fn reset_password(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    reset(request, &connection, &caller, |connection, caller| {
        find_colleague(connection, caller, id)
    })
}

fn find_colleague(connection: &Connection, caller: &Caller, id: i64) -> Result<User, Error> {
    let agency_id = caller.agency_id()?;
    users::find_of_agency(connection, id, agency_id)?.ok_or_else(|| not_found_in(id, agency_id))
}

/// Sets the password of a user whom the caller may manage and `find` returns, before the hash is made and in the
/// transaction.
pub(crate) fn reset(
    request: &Request,
    connection: &Connection,
    caller: &Caller,
    find: impl Fn(&Connection, &Caller) -> Result<User, Error>,
) -> Result<Answer, Error> {
    let password = Form::parse(request, read_new_password)?;

    let find = |connection: &Connection, caller: &Caller| managed(caller, find(connection, caller)?);
    let user = find(connection, caller)?;
    let agency = match user.agency_id {
        Some(id) => agencies::find(connection, id)?,
        None => None,
    };
    Context::of(&user, agency.as_ref()).check("password", &password)?;
    let hash = Hashing::from_settings::<Error>(connection)?.hash(&password)?;
    let user = caller.change(connection, |connection, caller| {
        let user = find(connection, caller)?;
        // Tokens of this very millisecond end as well.
        let time = database::now(connection)? + 1;
        let user =
            users::set_password(connection, user.id, &hash, true, time)?.ok_or_else(|| not_found(user.id))?;
        let agency = match user.agency_id {
            Some(id) => agencies::find(connection, id)?,
            None => None,
        };
        changelogs::record_user_update(connection, &caller.user, user, agency)
    })?;
    Ok(json(StatusCode::OK, &user))
}

/// `GET /agency/users/:id/second-factor`
pub(crate) fn show_second_factor(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    second_factor::show(&connection, &caller, |connection, caller| {
        find_colleague(connection, caller, id)
    })
}

/// `DELETE /agency/users/:id/second-factor`: for a user who has lost the phone. All sessions of the user end.
pub(crate) fn remove_second_factor(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    second_factor::remove(&connection, &caller, |connection, caller| {
        find_colleague(connection, caller, id)
    })
}

/// `DELETE /agency/users/:id`
pub(crate) fn delete_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Manager)?;
    let id = access::id(id)?;
    let user = caller.change(&connection, |connection, caller| {
        let user = find_colleague(connection, caller, id)?;
        delete(connection, caller, user)
    })?;
    Ok(json(StatusCode::OK, &user))
}

/// Deletes a user whom the caller may manage, and returns the user.
pub(crate) fn delete(connection: &Connection, caller: &Caller, user: User) -> Result<User, Error> {
    if !caller.user.role.may_manage(user.role) {
        return Err(Error::NotAllowed(
            "Not allowed to delete user with same role or senior",
        ));
    }
    removal::delete_user(connection, &caller.user, &user)?;
    Ok(user)
}

pub(crate) fn not_found(id: i64) -> Error {
    Error::NotFound(format!("User with id {id} not found"))
}

fn not_found_in(id: i64, agency_id: i64) -> Error {
    Error::NotFound(format!("User with id {id} not found in agency {agency_id}"))
}

pub(crate) fn read_new_password(form: &mut Form) -> String {
    let password = form.text("password", NEW_PASSWORD_RULES);
    form.text("confirmPassword", PASSWORD_RULES);
    form.must_equal("confirmPassword", "password");
    password
}
