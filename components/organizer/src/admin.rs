//! Administration (contract 3.4, "Administration").

use http::StatusCode;
use service::database::Connection;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::Form;
use crate::lists::ListQuery;
use crate::second_factor;
use crate::store::changelogs::{self, Change};
use crate::store::users::{self, User};
use crate::store::{self, agencies};
use crate::users::{ADMIN_ROLES, create, delete, edit, not_found as user_not_found, read_edits, reset};

/// `GET /admin/agencies`
pub(crate) fn list_agencies(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    ListQuery::read(request)?.answer(|page| agencies::list(&connection, page))
}

/// `GET /admin/agencies/:id`
pub(crate) fn show_agency(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let agency = agencies::find(&connection, id)?.ok_or_else(|| not_found(id))?;
    Ok(json(StatusCode::OK, &agency))
}

pub(crate) fn read_approval(form: &mut Form) -> Option<bool> {
    form.optional_boolean("approved")
}

/// `PATCH /admin/agencies/:id/verify`. An empty body changes nothing, but is recorded.
pub(crate) fn verify_agency(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let approved = Form::parse(request, read_approval)?;

    let agency = caller.change(&connection, |connection, caller| {
        let agency = agencies::set_approved(connection, id, approved)?.ok_or_else(|| not_found(id))?;
        changelogs::record(connection, &caller.user, Change::update(&agency)?)?;
        Ok(agency)
    })?;
    Ok(json(StatusCode::OK, &agency))
}

/// `GET /admin/users/roles`
pub(crate) fn list_roles(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    Ok(json(StatusCode::OK, &ADMIN_ROLES))
}

/// `GET /admin/users`: the administrators.
pub(crate) fn list_users(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    ListQuery::read(request)?.answer(|page| users::list_admins(&connection, page))
}

fn find_user(connection: &Connection, id: i64) -> Result<User, Error> {
    users::find(connection, id)?.ok_or_else(|| user_not_found(id))
}

/// `GET /admin/users/:id`: any user.
pub(crate) fn show_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let user = find_user(&connection, id)?;
    Ok(json(StatusCode::OK, &user))
}

/// `POST /admin/users`, without an agency.
pub(crate) fn create_user(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    create(request, &connection, &caller, |_| Ok(None))
}

/// `PATCH /admin/users/:id`: any user whom the caller may manage.
pub(crate) fn edit_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let edits = Form::parse(request, read_edits)?;

    let user = caller.change(&connection, |connection, caller| {
        let user = find_user(connection, id)?;
        edit(connection, caller, &user, &edits)
    })?;
    Ok(json(StatusCode::OK, &user))
}

/// `PATCH /admin/users/:id/password`: the same as in an agency, for any user whom the caller may manage.
pub(crate) fn reset_password(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    reset(request, &connection, &caller, |connection, _| {
        find_user(connection, id)
    })
}

/// `GET /admin/users/:id/second-factor`: of any user whom the caller may manage.
pub(crate) fn show_second_factor(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    second_factor::show(&connection, &caller, |connection, _| find_user(connection, id))
}

/// `DELETE /admin/users/:id/second-factor`: the same as in an agency, of any user whom the caller may manage.
pub(crate) fn remove_second_factor(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    second_factor::remove(&connection, &caller, |connection, _| find_user(connection, id))
}

/// `DELETE /admin/users/:id`: any user whom the caller may manage.
pub(crate) fn delete_user(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Admin)?;
    let id = access::id(id)?;
    let user = caller.change(&connection, |connection, caller| {
        let user = find_user(connection, id)?;
        delete(connection, caller, user)
    })?;
    Ok(json(StatusCode::OK, &user))
}

pub(crate) fn not_found(id: i64) -> Error {
    Error::NotFound(format!("Agency with id {id} not found"))
}
