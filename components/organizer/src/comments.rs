//! Comments on an agency's issues (contract 3.4, "Events, contacts, issues, comments").

use http::StatusCode;
use service::database;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::form::{Form, Rule};
use crate::issues;
use crate::lists::ListQuery;
use crate::store;
use crate::store::changelogs::{self, Change};
use crate::store::comments;

const CONTENT_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(2000)];

/// `GET /agency/comments`, newest first.
pub(crate) fn list_comments(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    let (query, issue_id) = ListQuery::read_with(request, "issueId")?;
    query.answer(|page| comments::list_of_agency(&connection, agency_id, issue_id, page))
}

/// `GET /agency/comments/:id`
pub(crate) fn show_comment(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let comment =
        comments::find_of_agency(&connection, id, agency_id)?.ok_or_else(|| not_found(id, agency_id))?;
    Ok(json(StatusCode::OK, &comment))
}

/// The content, and the id of the issue.
pub(crate) fn read_comment(form: &mut Form) -> (String, i64) {
    (form.text("content", CONTENT_RULES), form.id("issueId"))
}

/// `POST /agency/comments`
pub(crate) fn create_comment(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (content, issue_id) = Form::parse(request, read_comment)?;

    let comment = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let author_id = caller.user.id;
        let comment = comments::insert(
            connection,
            &content,
            issue_id,
            author_id,
            agency_id,
            database::now(connection)?,
        )?
        .ok_or_else(|| issues::not_found(issue_id, agency_id))?;
        changelogs::record(connection, &caller.user, Change::insert(&comment)?)?;
        Ok(comment)
    })?;
    Ok(json(StatusCode::CREATED, &comment))
}

pub(crate) fn read_content(form: &mut Form) -> Option<String> {
    form.optional_text("content", CONTENT_RULES)
}

/// `PATCH /agency/comments/:id`, for its author only.
pub(crate) fn edit_comment(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let content = Form::parse(request, read_content)?;

    let comment = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let missing = || not_found(id, agency_id);
        let comment = comments::find_of_agency(connection, id, agency_id)?.ok_or_else(missing)?;
        if comment.author_id != caller.user.id {
            return Err(Error::NotTheAuthor);
        }
        let comment = comments::update(connection, id, agency_id, content.as_ref())?.ok_or_else(missing)?;
        changelogs::record(connection, &caller.user, Change::update(&comment)?)?;
        Ok(comment)
    })?;
    Ok(json(StatusCode::OK, &comment))
}

/// `DELETE /agency/comments/:id`, for every user of the agency.
pub(crate) fn delete_comment(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let comment = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let comment = comments::delete(connection, id, agency_id)?.ok_or_else(|| not_found(id, agency_id))?;
        changelogs::record(connection, &caller.user, Change::delete(&comment))?;
        Ok(comment)
    })?;
    Ok(json(StatusCode::OK, &comment))
}

fn not_found(id: i64, agency_id: i64) -> Error {
    Error::NotFound(format!("Comment with id {id} not found in agency {agency_id}"))
}
