//! Agencies.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, Row, query, query_one};
use service::parameters;

use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// An agency (contract 1.3).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Agency {
    pub id: i64,
    pub name: String,
    pub address: String,
    pub website: Option<String>,
    pub approved: bool,
}

impl Identified for Agency {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Agency {
    const CLASS: &'static str = "Agency";

    fn agency_id(&self) -> Option<i64> {
        Some(self.id)
    }
}

/// Edits to an agency; absent fields stay.
pub(crate) struct AgencyEdits {
    pub name: Option<String>,
    pub address: Option<String>,
    /// `Some(None)` removes it.
    pub website: Option<Option<String>>,
}

/// An agency's settings. The contract fixes the fields of an agency (1.3), so these are separate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    /// How many chats each of its organizers may have open at once; `None` for any number.
    pub max_open_chats: Option<u32>,
    /// The number that it publishes for people who need help at its events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_phone_number: Option<String>,
}

/// Edits to an agency's settings; absent fields stay.
pub(crate) struct SettingsEdits {
    /// `Some(None)` removes it.
    pub max_open_chats: Option<Option<i64>>,
    /// `Some(None)` removes it.
    pub help_phone_number: Option<Option<String>>,
}

/// An agency with its settings: the recorded value of a change of settings.
#[derive(Serialize)]
pub(crate) struct AgencyWithSettings<'a> {
    #[serde(flatten)]
    pub agency: &'a Agency,
    #[serde(flatten)]
    pub settings: &'a Settings,
}

impl Identified for AgencyWithSettings<'_> {
    fn id(&self) -> i64 {
        self.agency.id
    }
}

impl Recorded for AgencyWithSettings<'_> {
    const CLASS: &'static str = Agency::CLASS;

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency.id)
    }
}

/// An agency some of whose closed chats were removed: the recorded value of that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgencyWithRemoval<'a> {
    #[serde(skip)]
    pub agency_id: i64,
    /// `None` when it is gone.
    #[serde(flatten)]
    pub agency: Option<&'a Agency>,
    pub removed_chats: i64,
    pub removed_messages: i64,
    #[serde(serialize_with = "clock::timestamp")]
    pub ended_before: Millis,
    /// Tells reports apart.
    pub report_id: &'a str,
}

impl Identified for AgencyWithRemoval<'_> {
    fn id(&self) -> i64 {
        self.agency_id
    }
}

impl Recorded for AgencyWithRemoval<'_> {
    const CLASS: &'static str = Agency::CLASS;

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency_id)
    }
}

/// Adds an agency, unapproved; `None` when the name is taken.
pub(crate) fn insert(
    connection: &Connection,
    name: &str,
    address: &str,
    website: &str,
) -> Result<Option<Agency>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO agencies (name, address, website) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO NOTHING
         RETURNING id, name, address, website, approved",
        parameters![name, address, website],
        |row| decode(&row),
    )
}

/// All agencies, by ascending id.
pub(crate) fn list(connection: &Connection, page: &Page) -> Result<Vec<Agency>, DatabaseError> {
    query(connection, LIST, parameters![page.after(), page.limit], |row| {
        decode(&row)
    })
}

pub(crate) const LIST: &str =
    "SELECT id, name, address, website, approved FROM agencies WHERE id > ?1 ORDER BY id LIMIT ?2";

/// One agency.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<Agency>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, name, address, website, approved FROM agencies WHERE id = ?1",
        parameters![id],
        |row| decode(&row),
    )
}

/// Which of these agencies were deleted, by ascending id. The record says so: an agency that is only missing, as after
/// its database was restored from a copy, may come back.
pub(crate) fn deleted(connection: &Connection, ids: &[i64]) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT DISTINCT asked.value FROM json_each(?1) asked
         WHERE NOT EXISTS (SELECT 1 FROM agencies WHERE id = asked.value)
           AND EXISTS (SELECT 1 FROM changelogs
                       WHERE agency_id = asked.value AND entity_class = 'Agency' AND entity_id = asked.value
                         AND type = 'delete')
         ORDER BY asked.value",
        parameters![serde_json::json!(ids).to_string()],
        |row| row.get(0),
    )
}

/// Edits an agency; `None` when the name is taken, or there is no such agency.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    edits: &AgencyEdits,
) -> Result<Option<Agency>, DatabaseError> {
    query_one(
        connection,
        "UPDATE OR IGNORE agencies
         SET name = coalesce(?2, name), address = coalesce(?3, address), website = iif(?4, ?5, website)
         WHERE id = ?1
         RETURNING id, name, address, website, approved",
        parameters![
            id,
            edits.name.as_ref(),
            edits.address.as_ref(),
            edits.website.is_some(),
            edits.website.as_ref().and_then(Option::as_ref),
        ],
        |row| decode(&row),
    )
}

/// Approves an agency, or revokes its approval; `None` for `approved` changes nothing. Returns `None` when there is no
/// such agency.
pub(crate) fn set_approved(
    connection: &Connection,
    id: i64,
    approved: Option<bool>,
) -> Result<Option<Agency>, DatabaseError> {
    query_one(
        connection,
        "UPDATE agencies SET approved = coalesce(?2, approved) WHERE id = ?1
         RETURNING id, name, address, website, approved",
        parameters![id, approved],
        |row| decode(&row),
    )
}

/// The settings of an agency.
pub(crate) fn settings(connection: &Connection, id: i64) -> Result<Option<Settings>, DatabaseError> {
    query_one(
        connection,
        "SELECT max_open_chats, help_phone_number FROM agencies WHERE id = ?1",
        parameters![id],
        |row| decode_settings(&row),
    )
}

/// Edits the settings of an agency; `None` when there is no such agency.
pub(crate) fn update_settings(
    connection: &Connection,
    id: i64,
    edits: &SettingsEdits,
) -> Result<Option<Settings>, DatabaseError> {
    query_one(
        connection,
        "UPDATE agencies
         SET max_open_chats = iif(?2, ?3, max_open_chats), help_phone_number = iif(?4, ?5, help_phone_number)
         WHERE id = ?1
         RETURNING max_open_chats, help_phone_number",
        parameters![
            id,
            edits.max_open_chats.is_some(),
            edits.max_open_chats.flatten(),
            edits.help_phone_number.is_some(),
            edits.help_phone_number.as_ref().and_then(Option::as_ref),
        ],
        |row| decode_settings(&row),
    )
}

fn decode_settings(row: &Row) -> Result<Settings, DatabaseError> {
    Ok(Settings {
        max_open_chats: row.get(0)?,
        help_phone_number: row.get(1)?,
    })
}

fn decode(row: &Row) -> Result<Agency, DatabaseError> {
    Ok(Agency {
        id: row.get(0)?,
        name: row.get(1)?,
        address: row.get(2)?,
        website: row.get(3)?,
        approved: row.get(4)?,
    })
}
