//! Lists and their pages.
//!
//! Without `limit` and `cursor` a list is whole (contract 3.4). With one of them it is a page, and if more rows follow,
//! a `Link` header (RFC 8288) leads to the next page. The link is relative to the request's URL, since only the client
//! knows the prefix of our paths.

use http::StatusCode;
use serde::Serialize;
use service::database::DatabaseError;
use service::door::{Answer, Request};

use crate::answer::{JSON, json};
use crate::error::Error;
use crate::form::leading_integer;
use crate::store::{Identified, Page};

/// The most rows in a page, and in one read from the database.
const MAX_LIMIT: usize = 500;

/// The part of a list that a client asks for.
pub(crate) struct ListQuery {
    cursor: Option<i64>,
    /// `None` for the whole list.
    limit: Option<usize>,
    /// The parameters that the link to the next page repeats.
    rest: Vec<(&'static str, String)>,
}

impl ListQuery {
    /// Reads the query string of a list without filters, which ignores unknown parameters (contract 3.2).
    pub(crate) fn read(request: &Request) -> Result<ListQuery, Error> {
        let mut lines = Vec::new();
        let query = ListQuery::read_into(request, Vec::new(), &mut lines);
        refuse(lines)?;
        Ok(query)
    }

    /// Reads the query string of a list that one id can filter, and that filter.
    pub(crate) fn read_with(
        request: &Request,
        filter: &'static str,
    ) -> Result<(ListQuery, Option<i64>), Error> {
        let mut lines = unknown(request, &[filter]);
        let asked = request.query(filter);
        let id = asked.and_then(leading_integer);
        if asked.is_some() && id.is_none() {
            lines.push(format!("{filter} must be an integer number"));
        }
        let filters = id.map(|id| (filter, id.to_string())).into_iter().collect();
        let query = ListQuery::read_into(request, filters, &mut lines);
        refuse(lines)?;
        Ok((query, id))
    }

    /// Reads the parameters of all lists, and adds a line for each failure. `filters` are the filters in this query.
    pub(crate) fn read_into(
        request: &Request,
        filters: Vec<(&'static str, String)>,
        lines: &mut Vec<String>,
    ) -> ListQuery {
        let limit = request.query("limit").map(|limit| {
            let limit = limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            limit.unwrap_or_else(|| {
                lines.push(format!("limit must be an integer number from 1 to {MAX_LIMIT}"));
                MAX_LIMIT
            })
        });
        let cursor = request.query("cursor").map(|cursor| {
            cursor.parse().unwrap_or_else(|_| {
                lines.push("cursor must be one from a Link header".to_owned());
                0
            })
        });
        let mut rest = filters;
        rest.extend(limit.map(|limit: usize| ("limit", limit.to_string())));
        ListQuery {
            cursor,
            limit: limit.or(cursor.map(|_| MAX_LIMIT)),
            rest,
        }
    }

    /// Answers with the rows that `rows` finds for a page.
    pub(crate) fn answer<Row: Identified + Serialize>(
        self,
        mut rows: impl FnMut(&Page) -> Result<Vec<Row>, DatabaseError>,
    ) -> Result<Answer, Error> {
        let Some(limit) = self.limit else {
            return whole(rows);
        };
        let mut page = rows(&Page {
            cursor: self.cursor,
            // One more row shows whether there is a next page.
            ..Page::first(limit + 1)
        })?;
        let more = page.len() > limit;
        page.truncate(limit);
        let answer = json(StatusCode::OK, &page);
        Ok(match page.last() {
            Some(last) if more => answer.with("link", self.next(last.id())),
            _ => answer,
        })
    }

    pub(crate) fn next(&self, cursor: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.rest);
        query.append_pair("cursor", &cursor.to_string());
        format!("<?{}>; rel=\"next\"", query.finish())
    }
}

/// Lines for the parameters that a list with filters does not know.
pub(crate) fn unknown(request: &Request, known: &[&str]) -> Vec<String> {
    let known = |name: &str| known.contains(&name) || ["limit", "cursor"].contains(&name);
    let unknown = request.query.iter().filter(|(name, _)| !known(name));
    unknown
        .map(|(name, _)| format!("property {name} should not exist"))
        .collect()
}

/// Refuses a query with failures.
pub(crate) fn refuse(lines: Vec<String>) -> Result<(), Error> {
    if lines.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(lines))
    }
}

/// The rows of a whole list may need more memory than the sandbox has, so this serializes it page by page.
fn whole<Row: Identified + Serialize>(
    mut rows: impl FnMut(&Page) -> Result<Vec<Row>, DatabaseError>,
) -> Result<Answer, Error> {
    let mut body = vec![b'['];
    let mut page = Page::first(MAX_LIMIT);
    loop {
        let found = rows(&page)?;
        for row in &found {
            if body.len() > 1 {
                body.push(b',');
            }
            serde_json::to_writer(&mut body, row).map_err(Error::Record)?;
        }
        match found.last() {
            Some(last) if found.len() == MAX_LIMIT => page.cursor = Some(last.id()),
            _ => break,
        }
    }
    body.push(b']');
    Ok(Answer::written(StatusCode::OK, JSON, body))
}
