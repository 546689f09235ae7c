//! An agency's issues (contract 3.4, "Events, contacts, issues, comments").

use http::StatusCode;
use service::database;
use service::door::{Answer, Request};

use crate::access::{self, Need};
use crate::answer::json;
use crate::error::Error;
use crate::events;
use crate::form::{Form, Rule};
use crate::lists::ListQuery;
use crate::store::changelogs::{self, Change};
use crate::store::issues::{self, IssueEdits, NewIssue, PRIORITIES, STATUSES};
use crate::store::{self, removal};

const NAME_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(200)];
const DESCRIPTION_RULES: &[Rule] = &[Rule::Text, Rule::NotEmpty, Rule::MaxLength(20_000)];
const STATUS_RULES: &[Rule] = &[Rule::OneOf(STATUSES)];
const PRIORITY_RULES: &[Rule] = &[Rule::OneOf(PRIORITIES)];

/// `GET /agency/issues`
pub(crate) fn list_issues(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let agency_id = caller.agency_id()?;
    let (query, event_id) = ListQuery::read_with(request, "eventId")?;
    query.answer(|page| issues::list_of_agency(&connection, agency_id, event_id, page))
}

/// `GET /agency/issues/:id`
pub(crate) fn show_issue(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let (id, agency_id) = (access::id(id)?, caller.agency_id()?);
    let issue =
        issues::find_of_agency(&connection, id, agency_id)?.ok_or_else(|| not_found(id, agency_id))?;
    Ok(json(StatusCode::OK, &issue))
}

pub(crate) fn read_issue(form: &mut Form) -> NewIssue {
    NewIssue {
        name: form.text("name", NAME_RULES),
        description: form.text("description", DESCRIPTION_RULES),
        priority: form.text("priority", PRIORITY_RULES),
        event_id: form.id("eventId"),
    }
}

/// `POST /agency/issues`
pub(crate) fn create_issue(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let issue = Form::parse(request, read_issue)?;

    let issue = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let issue = issues::insert(
            connection,
            &issue,
            caller.user.id,
            agency_id,
            database::now(connection)?,
        )?
        .ok_or_else(|| events::not_found(issue.event_id, agency_id))?;
        changelogs::record(connection, &caller.user, Change::insert(&issue)?)?;
        Ok(issue)
    })?;
    Ok(json(StatusCode::CREATED, &issue))
}

pub(crate) fn read_edits(form: &mut Form) -> IssueEdits {
    IssueEdits {
        name: form.optional_text("name", NAME_RULES),
        description: form.optional_text("description", DESCRIPTION_RULES),
        status: form.optional_text("status", STATUS_RULES),
        priority: form.optional_text("priority", PRIORITY_RULES),
    }
}

/// `PATCH /agency/issues/:id`
pub(crate) fn edit_issue(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let edits = Form::parse(request, read_edits)?;

    let issue = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        let issue = issues::update(connection, id, agency_id, &edits, database::now(connection)?)?
            .ok_or_else(|| not_found(id, agency_id))?;
        changelogs::record(connection, &caller.user, Change::update(&issue)?)?;
        Ok(issue)
    })?;
    Ok(json(StatusCode::OK, &issue))
}

/// `DELETE /agency/issues/:id`
pub(crate) fn delete_issue(request: &Request, id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request, Need::Support)?;
    let id = access::id(id)?;
    let issue = caller.change(&connection, |connection, caller| {
        let agency_id = caller.agency_id()?;
        removal::delete_issue(connection, &caller.user, id, agency_id)?
            .ok_or_else(|| not_found(id, agency_id))
    })?;
    Ok(json(StatusCode::OK, &issue))
}

pub(crate) fn not_found(id: i64, agency_id: i64) -> Error {
    Error::NotFound(format!("Issue with id {id} not found in agency {agency_id}"))
}
