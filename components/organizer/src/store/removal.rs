//! Removals and their cascades (contract 3.7). Every removed row is recorded, parts before the whole.

use service::database::{Connection, DatabaseError, execute, query};
use service::parameters;
use spin_sdk::sqlite3::Value;

use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::changelogs::{self, Change, UserOfAgency};
use crate::store::comments::Comment;
use crate::store::contacts::Contact;
use crate::store::entity::Recorded;
use crate::store::events::{self, Event};
use crate::store::issues::{self, Issue};
use crate::store::users::{self, User};

/// Removes one of an agency's issues, with its comments.
pub(crate) fn delete_issue(
    connection: &Connection,
    actor: &User,
    id: i64,
    agency_id: i64,
) -> Result<Option<Issue>, Error> {
    let Some(issue) = issues::find_of_agency(connection, id, agency_id)? else {
        return Ok(None);
    };
    let mut changes = gone::<Comment>(
        connection,
        "DELETE FROM comments WHERE issue_id = ?1 RETURNING id, agency_id",
        parameters![id],
    )?;
    execute(connection, "DELETE FROM issues WHERE id = ?1", parameters![id])?;
    changes.push(Change::delete(&issue));
    changelogs::record_all(connection, actor, changes)?;
    Ok(Some(issue))
}

/// Removes one of an agency's events, with its contacts and its issues.
pub(crate) fn delete_event(
    connection: &Connection,
    actor: &User,
    id: i64,
    agency_id: i64,
) -> Result<Option<Event>, Error> {
    let Some(event) = events::find_of_agency(connection, id, agency_id)? else {
        return Ok(None);
    };
    let mut changes = gone::<Comment>(
        connection,
        "DELETE FROM comments WHERE issue_id IN (SELECT id FROM issues WHERE event_id = ?1)
         RETURNING id, agency_id",
        parameters![id],
    )?;
    changes.extend(gone::<Issue>(
        connection,
        "DELETE FROM issues WHERE event_id = ?1 RETURNING id, agency_id",
        parameters![id],
    )?);
    changes.extend(gone::<Contact>(
        connection,
        "DELETE FROM contacts WHERE event_id = ?1 RETURNING id, agency_id",
        parameters![id],
    )?);
    execute(connection, "DELETE FROM events WHERE id = ?1", parameters![id])?;
    changes.push(Change::delete(&event));
    changelogs::record_all(connection, actor, changes)?;
    Ok(Some(event))
}

/// Removes a user, with the issues and the comments that the user wrote.
pub(crate) fn delete_user(connection: &Connection, actor: &User, user: &User) -> Result<(), Error> {
    let mut changes = gone::<Comment>(
        connection,
        "DELETE FROM comments
         WHERE author_id = ?1 OR issue_id IN (SELECT id FROM issues WHERE author_id = ?1)
         RETURNING id, agency_id",
        parameters![user.id],
    )?;
    changes.extend(gone::<Issue>(
        connection,
        "DELETE FROM issues WHERE author_id = ?1 RETURNING id, agency_id",
        parameters![user.id],
    )?);
    execute(
        connection,
        "DELETE FROM users WHERE id = ?1",
        parameters![user.id],
    )?;
    changelogs::blank_users(connection, &[user.id])?;
    changes.push(Change::delete(user));
    changelogs::record_all(connection, actor, changes)
}

/// Removes an agency, with all its rows. Administrators who preview it stay and lose the preview.
pub(crate) fn delete_agency(connection: &Connection, actor: &User, agency: &Agency) -> Result<(), Error> {
    let mut changes = gone::<Comment>(
        connection,
        "WITH leaving AS (SELECT id FROM users WHERE agency_id = ?1 AND role >= 2)
         DELETE FROM comments
         WHERE agency_id = ?1 OR author_id IN (SELECT id FROM leaving)
            OR issue_id IN (SELECT id FROM issues WHERE author_id IN (SELECT id FROM leaving))
         RETURNING id, agency_id",
        parameters![agency.id],
    )?;
    changes.extend(gone::<Issue>(
        connection,
        "WITH leaving AS (SELECT id FROM users WHERE agency_id = ?1 AND role >= 2)
         DELETE FROM issues WHERE agency_id = ?1 OR author_id IN (SELECT id FROM leaving)
         RETURNING id, agency_id",
        parameters![agency.id],
    )?);
    changes.extend(gone::<Contact>(
        connection,
        "DELETE FROM contacts WHERE agency_id = ?1 RETURNING id, agency_id",
        parameters![agency.id],
    )?);
    changes.extend(gone::<Event>(
        connection,
        "DELETE FROM events WHERE agency_id = ?1 RETURNING id, agency_id",
        parameters![agency.id],
    )?);
    let leaving = gone::<User>(
        connection,
        "DELETE FROM users WHERE agency_id = ?1 AND role >= 2 RETURNING id, agency_id",
        parameters![agency.id],
    )?;
    let leaving_ids: Vec<i64> = leaving.iter().map(Change::entity_id).collect();
    changes.extend(leaving);
    for user in users::end_previews(connection, agency.id)? {
        let preview_ended = UserOfAgency { user, agency: None };
        changes.push(Change::update(&preview_ended)?.within(agency.id));
    }
    execute(
        connection,
        "DELETE FROM agencies WHERE id = ?1",
        parameters![agency.id],
    )?;
    changelogs::blank_users(connection, &leaving_ids)?;
    changelogs::blank_contacts(connection, agency.id)?;
    changes.push(Change::delete(agency));
    changelogs::record_all(connection, actor, changes)
}

/// Removes rows, and returns the changes to record, by ascending id.
fn gone<Entity: Recorded>(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
) -> Result<Vec<Change>, DatabaseError> {
    let mut rows: Vec<(i64, i64)> = query(connection, sql, parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.sort_unstable();
    let changes = rows
        .into_iter()
        .map(|(id, agency_id)| Change::cascade::<Entity>(id, agency_id));
    Ok(changes.collect())
}
