//! Routes for the other services (contract 3.4, "For services"), behind the service key.

use http::StatusCode;
use service::clock::Millis;
use service::database::{Connection, transaction};
use service::door::{Answer, Request};
use service::internal::{
    Colleagues, DeletedAgencies, Principal, Principals, Removal, Removals, Removed, Tokens,
};
use service::revocations;

use crate::access;
use crate::answer::json;
use crate::error::Error;
use crate::form::parse_date;
use crate::lists::{self, ListQuery};
use crate::store::agencies::{self, AgencyWithRemoval};
use crate::store::changelogs::{self, Change, MAYDAY, MaydayWithRemoval};
use crate::store::events::{self, Filter};
use crate::store::users::{self, UserWithAgency};
use crate::store::{self, Page};

/// `GET /api/events`. Beside the contract's filters it takes `ids`, separated by commas.
pub(crate) fn find_events(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let (query, filter) = read_query(request)?;
    let connection = store::open()?;
    query.answer(|page| events::find_approved(&connection, &filter, page))
}

pub(crate) fn read_query(request: &Request) -> Result<(ListQuery, Filter), Error> {
    let mut filter = Filter::default();
    const FILTERS: [&str; 4] = ["query", "from", "to", "ids"];
    let mut lines = lists::unknown(request, &FILTERS);
    for (name, value) in &request.query {
        match name.as_str() {
            "query" if value.is_empty() => lines.push("query should not be empty".to_owned()),
            "query" => filter.text = Some(value.clone()),
            "from" => filter.from = date(name, value, &mut lines),
            "to" => filter.to = date(name, value, &mut lines),
            "ids" => filter.ids = ids(value, &mut lines),
            _ => {}
        }
    }
    let asked = FILTERS
        .iter()
        .filter_map(|name| Some((*name, request.query(name)?.to_owned())));
    let query = ListQuery::read_into(request, asked.collect(), &mut lines);
    lists::refuse(lines)?;
    Ok((query, filter))
}

fn date(name: &str, value: &str, lines: &mut Vec<String>) -> Option<Millis> {
    let date = parse_date(value);
    if date.is_none() {
        lines.push(format!("{name} must be a valid ISO 8601 date string"));
    }
    date
}

fn ids(value: &str, lines: &mut Vec<String>) -> Option<Vec<i64>> {
    let ids: Option<Vec<i64>> = value
        .split(',')
        .filter(|id| !id.is_empty())
        .map(|id| id.parse().ok())
        .collect();
    if ids.is_none() {
        lines.push("ids must be integer numbers separated by commas".to_owned());
    }
    ids
}

/// `GET /api/events/:id`
pub(crate) fn show_event(request: &Request, id: &str) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let id = access::id(id)?;
    let connection = store::open()?;
    let filter = Filter {
        ids: Some(vec![id]),
        ..Filter::default()
    };
    let found = events::find_approved(&connection, &filter, &Page::first(1))?;
    let event = found
        .first()
        .ok_or_else(|| Error::NotFound(format!("Event with id {id} not found")))?;
    Ok(json(StatusCode::OK, event))
}

/// `POST /api/principals`: authenticates a list of tokens, by the rules that `GET /profile` applies to one. Where the
/// operator wants complete accounts, these have to be complete, too.
pub(crate) fn judge_tokens(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Tokens { tokens } =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let mut judged = Principals::default();
    for (position, caller) in access::callers(&store::open()?, &tokens)?.into_iter().enumerate() {
        let principal = match caller {
            Some(caller) if caller.missing.is_nothing() => Some(principal(caller)),
            Some(_) => {
                judged.incomplete.push(position);
                None
            }
            None => None,
        };
        judged.principals.push(principal);
    }
    Ok(json(StatusCode::OK, &judged))
}

/// `GET /api/colleagues?agencyId=...&ids=...`: which of these organizers work for the agency now.
pub(crate) fn list_colleagues(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let mut lines = Vec::new();
    let agency_id = request.query("agencyId").and_then(|id| id.parse().ok());
    if agency_id.is_none() {
        lines.push("agencyId must be an integer number".to_owned());
    }
    let asked = ids(request.query("ids").unwrap_or_default(), &mut lines);
    lists::refuse(lines)?;
    let connection = store::open()?;
    let ids = users::colleagues(
        &connection,
        agency_id.unwrap_or_default(),
        &asked.unwrap_or_default(),
    )?;
    Ok(json(StatusCode::OK, &Colleagues { ids }))
}

/// `GET /api/deleted-agencies?ids=...`: which of these agencies were deleted.
pub(crate) fn list_deleted_agencies(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let mut lines = Vec::new();
    let asked = ids(request.query("ids").unwrap_or_default(), &mut lines);
    lists::refuse(lines)?;
    let ids = agencies::deleted(&store::open()?, &asked.unwrap_or_default())?;
    Ok(json(StatusCode::OK, &DeletedAgencies { ids }))
}

/// `GET /api/revocations?since=...`: whose tokens may have been revoked.
pub(crate) fn list_revocations(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let since = request.query("since").and_then(|since| since.parse().ok());
    let noted = revocations::since(&store::open()?, since)?;
    Ok(json(StatusCode::OK, &noted))
}

/// `POST /api/removals`: records what the other services have removed because it was too old. A report that is in the
/// record changes nothing.
pub(crate) fn record_removals(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Removals { removals } =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    transaction(&store::open()?, |connection| {
        removals
            .iter()
            .try_for_each(|removal| record_removal(connection, removal))
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

fn record_removal(connection: &Connection, removal: &Removal) -> Result<(), Error> {
    let report_id = removal.id.as_str();
    match removal.removed {
        Removed::Chats {
            agency_id,
            ended_before,
            chats,
            messages,
        } => {
            if changelogs::has_report(connection, agency_id, report_id)? {
                return Ok(());
            }
            // The record of an agency outlives it, and chats may.
            let agency = agencies::find(connection, agency_id)?;
            let updated = AgencyWithRemoval {
                agency_id,
                agency: agency.as_ref(),
                removed_chats: chats,
                removed_messages: messages,
                ended_before,
                report_id,
            };
            changelogs::record_automatic(connection, Some(agency_id), Change::update(&updated)?)
        }
        Removed::Unseen {
            last_seen_before,
            guests,
            known_events,
        } => {
            if changelogs::has_report(connection, MAYDAY, report_id)? {
                return Ok(());
            }
            let updated = MaydayWithRemoval {
                removed_guests: guests,
                removed_known_events: known_events,
                last_seen_before,
                report_id,
            };
            changelogs::record_automatic(connection, None, Change::update(&updated)?)
        }
    }
}

fn principal(caller: UserWithAgency) -> Principal {
    let UserWithAgency {
        user, max_open_chats, ..
    } = caller;
    Principal {
        id: user.id,
        role: u8::try_from(user.role.number()).ok(),
        agency_id: user.agency_id,
        // The settings of an agency in preview do not bind an administrator.
        max_open_chats: max_open_chats.filter(|_| !user.role.is_admin()),
        name: format!("{} {}", user.first_name, user.last_name),
    }
}
