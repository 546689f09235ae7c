//! The record: one row for each change, written in the transaction of the change (contract 3.8).

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{DatabaseError, Row, execute, query};
use service::parameters;
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::events::Event;
use crate::store::users::{User, timestamp};

/// A row of the record (contract 1.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changelog {
    pub id: i64,
    pub entity_id: i64,
    pub entity_class: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(serialize_with = "timestamp")]
    pub changed_at: Millis,
    /// JSON as a text, not as an object.
    pub value_after: Option<String>,
    pub user_id: i64,
    pub agency_id: Option<i64>,
}

/// Something whose changes are on record.
pub(crate) trait Recorded: Serialize {
    const CLASS: &'static str;
    fn id(&self) -> i64;
}

impl Recorded for User {
    const CLASS: &'static str = "User";
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Agency {
    const CLASS: &'static str = "Agency";
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Event {
    const CLASS: &'static str = "Event";
    fn id(&self) -> i64 {
        self.id
    }
}

/// What happened to an entity.
pub(crate) struct Change<'a, Entity: Recorded> {
    kind: &'static str,
    entity: &'a Entity,
}

impl<'a, Entity: Recorded> Change<'a, Entity> {
    /// It came into being like this.
    pub(crate) fn insert(entity: &'a Entity) -> Self {
        Change {
            kind: "insert",
            entity,
        }
    }

    /// It is like this now.
    pub(crate) fn update(entity: &'a Entity) -> Self {
        Change {
            kind: "update",
            entity,
        }
    }
}

/// Puts a change on record, under the user who made it and the agency that user acts for.
pub(crate) fn record<Entity: Recorded>(
    connection: &Connection,
    actor: &User,
    change: Change<Entity>,
) -> Result<(), Error> {
    let value_after = serde_json::to_string(change.entity).map_err(Error::Record)?;
    execute(
        connection,
        "INSERT INTO changelogs (entity_id, entity_class, type, changed_at, value_after, user_id, agency_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        parameters![
            change.entity.id(),
            Entity::CLASS,
            change.kind,
            clock::now(),
            value_after,
            actor.id,
            actor.agency_id,
        ],
    )?;
    Ok(())
}

/// What was done on behalf of an agency, by ascending id.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    user_id: Option<i64>,
) -> Result<Vec<Changelog>, DatabaseError> {
    query(
        connection,
        "SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
         FROM changelogs WHERE agency_id = ?1 AND (?2 IS NULL OR user_id = ?2) ORDER BY id",
        parameters![agency_id, user_id],
        |row| decode(&row),
    )
}

/// What was done by those who are administrators now, by ascending id.
pub(crate) fn list_of_admins(
    connection: &Connection,
    user_id: Option<i64>,
) -> Result<Vec<Changelog>, DatabaseError> {
    query(
        connection,
        "SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
         FROM changelogs
         WHERE user_id IN (SELECT id FROM users WHERE role <= 1) AND (?1 IS NULL OR user_id = ?1) ORDER BY id",
        parameters![user_id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Changelog, DatabaseError> {
    Ok(Changelog {
        id: row.get(0)?,
        entity_id: row.get(1)?,
        entity_class: row.get(2)?,
        kind: row.get(3)?,
        changed_at: row.get(4)?,
        value_after: row.get(5)?,
        user_id: row.get(6)?,
        agency_id: row.get(7)?,
    })
}
