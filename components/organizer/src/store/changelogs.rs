//! The record: one row for each change, written in the transaction of the change (contract 3.8), and chained (`chain`).
//! Rows are never removed. The values of people in them are blanked when the person is deleted, or when the row is old.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use service::clock::{self, Millis};
use service::database::{self, Connection, DatabaseError, Row, execute, query, query_one};
use service::parameters;

use crate::chain::{self, Changelog, Proof};
use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;
use crate::store::users::User;

/// A row with its proof.
#[derive(Debug, Serialize)]
pub(crate) struct ProvenChangelog {
    #[serde(flatten)]
    pub row: Changelog,
    #[serde(flatten)]
    pub proof: Proof,
    /// Whether a person's data may be blanked: the record has the deletion of the person, or of the contact's agency,
    /// or the chain says later that what is as old was blanked.
    #[serde(skip)]
    pub may_be_blank: bool,
}

impl Identified for Changelog {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Identified for ProvenChangelog {
    fn id(&self) -> i64 {
        self.row.id
    }
}

/// A user with the agency the user acts for: the recorded value of updates of users (contract 3.8).
#[derive(Serialize)]
pub(crate) struct UserOfAgency {
    #[serde(flatten)]
    pub user: User,
    pub agency: Option<Agency>,
}

impl Identified for UserOfAgency {
    fn id(&self) -> i64 {
        self.user.id
    }
}

impl Recorded for UserOfAgency {
    const CLASS: &'static str = User::CLASS;

    fn agency_id(&self) -> Option<i64> {
        self.user.agency_id
    }

    fn blanked(&self) -> Option<Self> {
        Some(UserOfAgency {
            user: self.user.blanked()?,
            agency: self.agency.clone(),
        })
    }
}

/// Guests, and copies of events, that were removed: the recorded value of that. They belong to no agency, and the
/// contract has no class for them (1.3): the row is about agency 0, Mayday itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaydayWithRemoval<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    pub removed_guests: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub removed_known_events: i64,
    #[serde(serialize_with = "clock::timestamp")]
    pub last_seen_before: Millis,
    /// Tells reports apart.
    pub report_id: &'a str,
}

/// A chain in which the values of people were blanked because they were old: the recorded value of that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blanking<'a> {
    /// `None` for the administrators' chain, in whose row it is about Mayday itself.
    #[serde(skip)]
    pub agency_id: Option<i64>,
    /// `None` when it is gone as well.
    #[serde(flatten)]
    pub agency: Option<&'a Agency>,
    #[serde(serialize_with = "clock::timestamp")]
    pub blanked_before: Millis,
}

impl Identified for Blanking<'_> {
    fn id(&self) -> i64 {
        self.agency_id.unwrap_or(MAYDAY)
    }
}

impl Recorded for Blanking<'_> {
    const CLASS: &'static str = Agency::CLASS;

    fn agency_id(&self) -> Option<i64> {
        self.agency_id
    }
}

fn is_zero(count: &i64) -> bool {
    *count == 0
}

/// Ids of agencies are positive.
pub(crate) const MAYDAY: i64 = 0;

impl Identified for MaydayWithRemoval<'_> {
    fn id(&self) -> i64 {
        MAYDAY
    }
}

impl Recorded for MaydayWithRemoval<'_> {
    const CLASS: &'static str = Agency::CLASS;

    fn agency_id(&self) -> Option<i64> {
        None
    }
}

/// A change of an entity.
pub(crate) struct Change {
    entity_class: &'static str,
    entity_id: i64,
    kind: &'static str,
    value: Option<String>,
    blank_value: Option<String>,
    /// The agency that the entity belongs to.
    of: Option<i64>,
    /// The agency whose record gets the change, whoever the actor is.
    within: Option<i64>,
}

impl Change {
    /// The entity was created with this value.
    pub(crate) fn insert(entity: &impl Recorded) -> Result<Change, Error> {
        Change::with_value("insert", entity)
    }

    /// The entity now has this value.
    pub(crate) fn update(entity: &impl Recorded) -> Result<Change, Error> {
        Change::with_value("update", entity)
    }

    /// The entity was deleted.
    pub(crate) fn delete<Entity: Recorded>(entity: &Entity) -> Change {
        Change {
            entity_class: Entity::CLASS,
            entity_id: entity.id(),
            kind: "delete",
            value: None,
            blank_value: None,
            of: entity.agency_id(),
            within: None,
        }
    }

    /// The entity was deleted with the entity it belonged to.
    pub(crate) fn cascade<Entity: Recorded>(id: i64, agency_id: i64) -> Change {
        Change {
            entity_class: Entity::CLASS,
            entity_id: id,
            kind: "delete",
            value: None,
            blank_value: None,
            of: Some(agency_id),
            within: Some(agency_id),
        }
    }

    pub(crate) fn entity_id(&self) -> i64 {
        self.entity_id
    }

    /// The same change, as part of a change of an agency.
    pub(crate) fn within(mut self, agency_id: i64) -> Change {
        self.within = Some(agency_id);
        self
    }

    /// The agency whose record gets the change: the actor's, if the entity belongs to it. An administrator in preview
    /// of one agency may change entities of another, which the first must not read.
    fn record_of(&self, actor: &User) -> Option<i64> {
        self.within
            .or(actor.agency_id.filter(|_| self.of == actor.agency_id))
    }

    fn with_value<Entity: Recorded>(kind: &'static str, entity: &Entity) -> Result<Change, Error> {
        let blanked = entity.blanked();
        Ok(Change {
            entity_class: Entity::CLASS,
            entity_id: entity.id(),
            kind,
            value: Some(serde_json::to_string(entity).map_err(Error::Record)?),
            blank_value: blanked
                .as_ref()
                .map(serde_json::to_string)
                .transpose()
                .map_err(Error::Record)?,
            of: entity.agency_id(),
            within: None,
        })
    }
}

/// Where a chain ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Head {
    /// How many rows it has.
    pub length: i64,
    /// The hash of the last of them; empty before the first.
    pub hash: String,
}

/// Records a change with its actor, in the record of the agency that [`Change::record_of`] chooses.
pub(crate) fn record(connection: &Connection, actor: &User, change: Change) -> Result<(), Error> {
    record_all(connection, actor, vec![change])
}

/// Records an update of a user, with the agency the user acts for. Returns the user.
pub(crate) fn record_user_update(
    connection: &Connection,
    actor: &User,
    user: User,
    agency: Option<Agency>,
) -> Result<User, Error> {
    let updated = UserOfAgency { user, agency };
    record(connection, actor, Change::update(&updated)?)?;
    Ok(updated.user)
}

/// Records that an administrator now previews this agency, or none. Returns the administrator. The former agency's
/// record shows that its preview has ended, but not which agency is next.
pub(crate) fn record_preview(
    connection: &Connection,
    actor: &User,
    user: User,
    agency: Option<Agency>,
) -> Result<User, Error> {
    let updated = UserOfAgency { user, agency };
    let change = Change::update(&updated)?;
    let change = match actor.agency_id {
        Some(left) if updated.agency.is_none() => change.within(left),
        _ => change,
    };
    record(connection, actor, change)?;
    Ok(updated.user)
}

/// Records changes in their order.
pub(crate) fn record_all(connection: &Connection, actor: &User, changes: Vec<Change>) -> Result<(), Error> {
    let placed = changes
        .into_iter()
        .map(|change| (change.record_of(actor), change));
    append_all(connection, (actor.id, actor.role.is_admin()), placed.collect())
}

/// Records a change that Mayday makes by itself: of an agency, or one that is for the administrators.
pub(crate) fn record_automatic(
    connection: &Connection,
    agency_id: Option<i64>,
    change: Change,
) -> Result<(), Error> {
    let is_for_admins = agency_id.is_none();
    append_all(connection, (NOBODY, is_for_admins), vec![(agency_id, change)])
}

/// The actor of automatic changes. Ids of users are positive.
const NOBODY: i64 = 0;

/// Whether the record has a report of a removal.
pub(crate) fn has_report(
    connection: &Connection,
    agency_id: i64,
    report_id: &str,
) -> Result<bool, DatabaseError> {
    let known = query_one(
        connection,
        "SELECT 1 FROM changelogs
         WHERE entity_class = 'Agency' AND entity_id = ?1 AND type = 'update' AND user_id = ?2
           AND value_after ->> '$.reportId' = ?3",
        parameters![agency_id, NOBODY, report_id],
        |row| row.get::<i64>(0),
    )?;
    Ok(known.is_some())
}

/// Whether a chain says that its values of people of before this time were blanked.
pub(crate) fn has_blanking(
    connection: &Connection,
    agency_id: Option<i64>,
    blanked_before: Millis,
) -> Result<bool, DatabaseError> {
    let known = query_one(
        connection,
        "SELECT 1 FROM changelogs
         WHERE entity_class = 'Agency' AND entity_id = ?1 AND type = 'update' AND user_id = ?2
           AND value_after ->> '$.blankedBefore' = ?3",
        parameters![agency_id.unwrap_or(MAYDAY), NOBODY, clock::format(blanked_before)],
        |row| row.get::<i64>(0),
    )?;
    Ok(known.is_some())
}

/// Appends an actor's changes to the records of agencies, or to the one that belongs to no agency. The actor is an id,
/// and whether the administrators' list shows the changes.
fn append_all(
    connection: &Connection,
    (user_id, by_admin): (i64, bool),
    changes: Vec<(Option<i64>, Change)>,
) -> Result<(), Error> {
    let now = database::now(connection)?;
    let mut heads = BTreeMap::new();
    let mut rows = Vec::with_capacity(changes.len());
    for (agency_id, change) in changes {
        let row = Changelog {
            // The database assigns it.
            id: 0,
            entity_id: change.entity_id,
            entity_class: change.entity_class.to_owned(),
            kind: change.kind.to_owned(),
            changed_at: now,
            value_after: change.value,
            user_id,
            agency_id,
        };
        let salt = change.blank_value.is_some().then(salt).transpose()?;
        let seal = salt.as_deref().zip(row.value_after.as_deref());
        let mut proof = Proof {
            blank_value: change.blank_value,
            seal: seal.map(|(salt, value)| chain::seal(salt, value)),
            salt,
            hash: String::new(),
        };
        let head = match heads.entry(row.agency_id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(head(connection, row.agency_id)?)
            }
        };
        proof.hash = chain::hash(&head.hash, &row, &proof);
        head.length += 1;
        head.hash.clone_from(&proof.hash);
        rows.push(json!([
            row.entity_id,
            row.entity_class,
            row.kind,
            row.changed_at,
            row.value_after,
            row.user_id,
            row.agency_id,
            proof.blank_value,
            proof.salt,
            proof.seal,
            proof.hash,
        ]));
    }
    for rows in rows.chunks(BATCH) {
        append(connection, rows, by_admin)?;
    }
    for (agency_id, head) in heads {
        set_head(connection, agency_id, &head)?;
    }
    Ok(())
}

/// The most rows in one call of the database. A value has up to 20,000 characters.
const BATCH: usize = 500;

fn salt() -> Result<String, Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(Error::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(salt)))
}

fn append(connection: &Connection, rows: &[serde_json::Value], by_admin: bool) -> Result<(), Error> {
    let rows = serde_json::to_string(rows).map_err(Error::Record)?;
    execute(
        connection,
        "INSERT INTO changelogs (entity_id, entity_class, type, changed_at, value_after, user_id, agency_id,
                                 blank_value, salt, seal, hash, by_admin)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9, value ->> 10, ?2
         FROM json_each(?1) ORDER BY key",
        parameters![rows, by_admin],
    )?;
    Ok(())
}

/// Where the chain of an agency, or that of the administrators, ends.
pub(crate) fn head(connection: &Connection, agency_id: Option<i64>) -> Result<Head, DatabaseError> {
    // An impossible agency id must not be taken for the administrators.
    if agency_id == Some(ADMINISTRATORS) {
        return Ok(Head::default());
    }
    let head = query_one(
        connection,
        "SELECT length, hash FROM chains WHERE agency_id = ?1",
        parameters![agency_id.unwrap_or(ADMINISTRATORS)],
        |row| {
            Ok(Head {
                length: row.get(0)?,
                hash: row.get(1)?,
            })
        },
    )?;
    Ok(head.unwrap_or_default())
}

/// Ids of agencies are positive.
const ADMINISTRATORS: i64 = 0;

fn set_head(connection: &Connection, agency_id: Option<i64>, head: &Head) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO chains (agency_id, length, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (agency_id) DO UPDATE SET length = excluded.length, hash = excluded.hash",
        parameters![agency_id.unwrap_or(ADMINISTRATORS), head.length, &head.hash],
    )
}

/// Blanks the personal data in the record of users who are deleted now.
pub(crate) fn blank_users(connection: &Connection, ids: &[i64]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE changelogs SET value_after = blank_value, salt = NULL
         WHERE entity_class = 'User' AND entity_id IN (SELECT value FROM json_each(?1)) AND blank_value IS NOT NULL",
        parameters![serde_json::Value::from(ids).to_string()],
    )
}

/// Blanks the personal data in the record of the contacts of an agency that is deleted now.
pub(crate) fn blank_contacts(connection: &Connection, agency_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE changelogs SET value_after = blank_value, salt = NULL
         WHERE entity_class = 'Contact' AND agency_id = ?1 AND blank_value IS NOT NULL",
        parameters![agency_id],
    )
}

/// The ids of the oldest rows of before this time whose values are about people and not blanked, with their chains.
pub(crate) fn list_old(
    connection: &Connection,
    changed_before: Millis,
    limit: i64,
) -> Result<Vec<(i64, Option<i64>)>, DatabaseError> {
    query(connection, LIST_OLD, parameters![changed_before, limit], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

pub(crate) const LIST_OLD: &str = "
    SELECT id, agency_id FROM changelogs WHERE salt IS NOT NULL AND changed_at < ?1 ORDER BY changed_at LIMIT ?2";

/// Blanks the personal data of rows.
pub(crate) fn blank(connection: &Connection, ids: &[i64]) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE changelogs SET value_after = blank_value, salt = NULL
         WHERE id IN (SELECT value FROM json_each(?1)) AND blank_value IS NOT NULL",
        parameters![serde_json::Value::from(ids).to_string()],
    )
}

/// Adds a user's changes to the administrators' list, or removes them from it.
pub(crate) fn set_by_admin(
    connection: &Connection,
    user_id: i64,
    by_admin: bool,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE changelogs SET by_admin = ?2 WHERE user_id = ?1",
        parameters![user_id, by_admin],
    )
}

/// An agency's record, by ascending id, of one user's changes or of all.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    user_id: Option<i64>,
    page: &Page,
) -> Result<Vec<Changelog>, DatabaseError> {
    if let Some(user_id) = user_id {
        let parameters = parameters![agency_id, page.after(), page.limit, user_id];
        query(connection, LIST_OF_AGENCY_BY_USER, parameters, |row| decode(&row))
    } else {
        let parameters = parameters![agency_id, page.after(), page.limit];
        query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
    }
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
    FROM changelogs WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

pub(crate) const LIST_OF_AGENCY_BY_USER: &str = "
    SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
    FROM changelogs WHERE agency_id = ?1 AND user_id = ?4 AND id > ?2 ORDER BY id LIMIT ?3";

/// The changes of users who are administrators, or were when deleted, and automatic ones outside of any agency, by
/// ascending id, of one actor or of all.
pub(crate) fn list_of_admins(
    connection: &Connection,
    user_id: Option<i64>,
    page: &Page,
) -> Result<Vec<Changelog>, DatabaseError> {
    if let Some(user_id) = user_id {
        let parameters = parameters![page.after(), page.limit, user_id];
        query(connection, LIST_OF_ADMIN, parameters, |row| decode(&row))
    } else {
        let parameters = parameters![page.after(), page.limit];
        query(connection, LIST_OF_ADMINS, parameters, |row| decode(&row))
    }
}

pub(crate) const LIST_OF_ADMINS: &str = "
    SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
    FROM changelogs WHERE by_admin = 1 AND id > ?1 ORDER BY id LIMIT ?2";

// All rows of a user have the same `by_admin`, and automatic changes are few, so the index on the user suffices.
pub(crate) const LIST_OF_ADMIN: &str = "
    SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
    FROM changelogs WHERE user_id = ?3 AND +by_admin = 1 AND id > ?1 ORDER BY id LIMIT ?2";

/// One row of an agency's record.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Changelog>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
         FROM changelogs WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// One row of any record.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<Changelog>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, entity_id, entity_class, type, changed_at, value_after, user_id, agency_id
         FROM changelogs WHERE id = ?1",
        parameters![id],
        |row| decode(&row),
    )
}

/// The rows of a chain in their order, with their proofs.
pub(crate) fn list_of_chain(
    connection: &Connection,
    agency_id: Option<i64>,
    page: &Page,
) -> Result<Vec<ProvenChangelog>, DatabaseError> {
    let parameters = parameters![agency_id, page.after(), page.limit];
    query(connection, LIST_OF_CHAIN, parameters, |row| {
        Ok(ProvenChangelog {
            row: decode(&row)?,
            proof: Proof {
                blank_value: row.get(8)?,
                salt: row.get(9)?,
                seal: row.get(10)?,
                hash: row.get(11)?,
            },
            may_be_blank: row.get(12)?,
        })
    })
}

pub(crate) const LIST_OF_CHAIN: &str = "
    SELECT c.id, c.entity_id, c.entity_class, c.type, c.changed_at, c.value_after, c.user_id, c.agency_id,
           c.blank_value, c.salt, c.seal, c.hash,
           c.seal IS NOT NULL AND c.salt IS NULL
               AND (EXISTS (SELECT 1 FROM changelogs d
                            WHERE d.entity_class = iif(c.entity_class = 'Contact', 'Agency', c.entity_class)
                              AND d.entity_id = iif(c.entity_class = 'Contact', c.agency_id, c.entity_id)
                              AND d.type = 'delete')
                    OR EXISTS (SELECT 1 FROM changelogs b
                               WHERE b.entity_class = 'Agency' AND b.entity_id = coalesce(c.agency_id, 0)
                                 AND b.type = 'update' AND b.user_id = 0 AND b.id > c.id AND json_valid(b.value_after)
                                 AND unixepoch(b.value_after ->> '$.blankedBefore') * 1000 > c.changed_at))
    FROM changelogs c WHERE c.agency_id IS ?1 AND c.id > ?2 ORDER BY c.id LIMIT ?3";

/// The result of verifying a chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    pub holds: bool,
    /// How many rows hold. That is all rows if the chain holds.
    pub rows: i64,
    /// The hash of the last of them; empty if there are none.
    pub head: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<Break>,
}

/// Where a chain breaks.
#[derive(Debug, Serialize)]
pub(crate) struct Break {
    /// The first row that does not hold; `None` when rows are missing at the end.
    pub id: Option<i64>,
    pub reason: &'static str,
}

/// Verifies a chain from its first row to its end. Call it in a transaction, so that the chain does not grow meanwhile.
pub(crate) fn verify(connection: &Connection, agency_id: Option<i64>) -> Result<Verdict, DatabaseError> {
    let mut reached = Head::default();
    let mut page = Page::first(BATCH);
    let broken_at = 'chain: loop {
        let rows = match list_of_chain(connection, agency_id, &page) {
            Ok(rows) => rows,
            // A row edited by hand may have values of wrong types. Reading one by one finds it.
            Err(_) if page.limit > 1 => {
                page.limit = 1;
                continue;
            }
            Err(_) => {
                break Some(Break {
                    id: next_of_chain(connection, agency_id, &page)?,
                    reason: "the row cannot be read",
                });
            }
        };
        for ProvenChangelog {
            row,
            proof,
            may_be_blank,
        } in &rows
        {
            let unexplained = proof.seal.is_some() && proof.salt.is_none() && !may_be_blank;
            let fault = chain::fault(&reached.hash, row, proof)
                .or(unexplained.then_some("the value was blanked, but nobody was deleted"));
            if let Some(reason) = fault {
                break 'chain Some(Break {
                    id: Some(row.id),
                    reason,
                });
            }
            reached.length += 1;
            reached.hash.clone_from(&proof.hash);
            page.cursor = Some(row.id);
        }
        if rows.is_empty() {
            let whole = reached == head(connection, agency_id)?;
            break (!whole).then_some(Break {
                id: None,
                reason: "rows are missing at the end",
            });
        }
    };
    Ok(Verdict {
        holds: broken_at.is_none(),
        rows: reached.length,
        head: reached.hash,
        broken_at,
    })
}

/// The id of the first row of a page of a chain.
fn next_of_chain(
    connection: &Connection,
    agency_id: Option<i64>,
    page: &Page,
) -> Result<Option<i64>, DatabaseError> {
    query_one(
        connection,
        "SELECT id FROM changelogs WHERE agency_id IS ?1 AND id > ?2 ORDER BY id LIMIT 1",
        parameters![agency_id, page.after()],
        |row| row.get(0),
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
