//! Issues: the incidents of an event.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, Row, query, query_one};
use service::parameters;

use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// An issue (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issue {
    pub id: i64,
    pub name: String,
    pub description: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// One of [`PRIORITIES`].
    pub priority: String,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_created: Millis,
    #[serde(serialize_with = "clock::optional_timestamp")]
    pub time_closed: Option<Millis>,
    pub author_id: i64,
    pub event_id: i64,
    pub agency_id: i64,
}

pub(crate) const STATUSES: &[&str] = &["to_do", "in_progress", "resolved", "cancelled"];

pub(crate) const PRIORITIES: &[&str] = &["low", "medium", "high"];

impl Identified for Issue {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Issue {
    const CLASS: &'static str = "Issue";

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency_id)
    }
}

/// An issue to add.
pub(crate) struct NewIssue {
    pub name: String,
    pub description: String,
    pub priority: String,
    pub event_id: i64,
}

/// Edits to an issue; absent fields stay.
pub(crate) struct IssueEdits {
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: Option<String>,
    pub priority: Option<String>,
}

/// Adds an issue to an agency's event; `None` when the agency has no such event.
pub(crate) fn insert(
    connection: &Connection,
    issue: &NewIssue,
    author_id: i64,
    agency_id: i64,
    now: Millis,
) -> Result<Option<Issue>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO issues (name, description, priority, time_created, author_id, event_id, agency_id)
         SELECT ?1, ?2, ?3, ?4, ?5, id, agency_id FROM events WHERE id = ?6 AND agency_id = ?7
         RETURNING id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id",
        parameters![
            &issue.name,
            &issue.description,
            &issue.priority,
            now,
            author_id,
            issue.event_id,
            agency_id,
        ],
        |row| decode(&row),
    )
}

/// An agency's issues, by ascending id, of one event or of all.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    event_id: Option<i64>,
    page: &Page,
) -> Result<Vec<Issue>, DatabaseError> {
    if let Some(event_id) = event_id {
        let parameters = parameters![agency_id, page.after(), page.limit, event_id];
        query(connection, LIST_OF_EVENT, parameters, |row| decode(&row))
    } else {
        let parameters = parameters![agency_id, page.after(), page.limit];
        query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
    }
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id
    FROM issues WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

pub(crate) const LIST_OF_EVENT: &str = "
    SELECT id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id
    FROM issues WHERE agency_id = ?1 AND event_id = ?4 AND id > ?2 ORDER BY id LIMIT ?3";

/// One of an agency's issues.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Issue>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id
         FROM issues WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// Edits one of an agency's issues. Each edit that leaves the issue closed sets its time of closing, and reopening
/// keeps that time (contract 3.4).
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    agency_id: i64,
    edits: &IssueEdits,
    now: Millis,
) -> Result<Option<Issue>, DatabaseError> {
    query_one(
        connection,
        "UPDATE issues
         SET name = coalesce(?3, name), description = coalesce(?4, description), status = coalesce(?5, status),
             priority = coalesce(?6, priority),
             time_closed = iif(coalesce(?5, status) IN ('resolved', 'cancelled'), ?7, time_closed)
         WHERE id = ?1 AND agency_id = ?2
         RETURNING id, name, description, status, priority, time_created, time_closed, author_id, event_id, agency_id",
        parameters![
            id,
            agency_id,
            edits.name.as_ref(),
            edits.description.as_ref(),
            edits.status.as_ref(),
            edits.priority.as_ref(),
            now,
        ],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Issue, DatabaseError> {
    Ok(Issue {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        status: row.get(3)?,
        priority: row.get(4)?,
        time_created: row.get(5)?,
        time_closed: row.get(6)?,
        author_id: row.get(7)?,
        event_id: row.get(8)?,
        agency_id: row.get(9)?,
    })
}
