//! Comments of an agency's users on its issues.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, Row, query, query_one};
use service::parameters;

use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// A comment (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comment {
    pub id: i64,
    pub content: String,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_created: Millis,
    pub author_id: i64,
    pub issue_id: i64,
    pub agency_id: i64,
}

impl Identified for Comment {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Comment {
    const CLASS: &'static str = "Comment";

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency_id)
    }
}

/// Adds a comment to an agency's issue; `None` when the agency has no such issue.
pub(crate) fn insert(
    connection: &Connection,
    content: &str,
    issue_id: i64,
    author_id: i64,
    agency_id: i64,
    now: Millis,
) -> Result<Option<Comment>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO comments (content, time_created, author_id, issue_id, agency_id)
         SELECT ?1, ?2, ?3, id, agency_id FROM issues WHERE id = ?4 AND agency_id = ?5
         RETURNING id, content, time_created, author_id, issue_id, agency_id",
        parameters![content, now, author_id, issue_id, agency_id],
        |row| decode(&row),
    )
}

/// An agency's comments, newest first, on one issue or on all.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    issue_id: Option<i64>,
    page: &Page,
) -> Result<Vec<Comment>, DatabaseError> {
    if let Some(issue_id) = issue_id {
        let parameters = parameters![agency_id, page.before(), page.limit, issue_id];
        query(connection, LIST_OF_ISSUE, parameters, |row| decode(&row))
    } else {
        let parameters = parameters![agency_id, page.before(), page.limit];
        query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
    }
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, content, time_created, author_id, issue_id, agency_id
    FROM comments WHERE agency_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

pub(crate) const LIST_OF_ISSUE: &str = "
    SELECT id, content, time_created, author_id, issue_id, agency_id
    FROM comments WHERE agency_id = ?1 AND issue_id = ?4 AND id < ?2 ORDER BY id DESC LIMIT ?3";

/// One of an agency's comments.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Comment>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, content, time_created, author_id, issue_id, agency_id
         FROM comments WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// Edits one of an agency's comments; absent fields stay.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    agency_id: i64,
    content: Option<&String>,
) -> Result<Option<Comment>, DatabaseError> {
    query_one(
        connection,
        "UPDATE comments SET content = coalesce(?3, content) WHERE id = ?1 AND agency_id = ?2
         RETURNING id, content, time_created, author_id, issue_id, agency_id",
        parameters![id, agency_id, content],
        |row| decode(&row),
    )
}

/// Removes one of an agency's comments, and returns it.
pub(crate) fn delete(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Comment>, DatabaseError> {
    query_one(
        connection,
        "DELETE FROM comments WHERE id = ?1 AND agency_id = ?2
         RETURNING id, content, time_created, author_id, issue_id, agency_id",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Comment, DatabaseError> {
    Ok(Comment {
        id: row.get(0)?,
        content: row.get(1)?,
        time_created: row.get(2)?,
        author_id: row.get(3)?,
        issue_id: row.get(4)?,
        agency_id: row.get(5)?,
    })
}
