//! The contact persons at an agency's events.

use serde::Serialize;
use service::database::{Connection, DatabaseError, Row, query, query_one};
use service::parameters;

use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// A contact (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contact {
    pub id: i64,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone_number: String,
    pub additional_notes: String,
    pub event_id: i64,
    pub agency_id: i64,
}

impl Identified for Contact {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for Contact {
    const CLASS: &'static str = "Contact";

    fn agency_id(&self) -> Option<i64> {
        Some(self.agency_id)
    }

    fn blanked(&self) -> Option<Contact> {
        Some(Contact {
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            phone_number: String::new(),
            additional_notes: String::new(),
            ..*self
        })
    }
}

/// A contact to add.
pub(crate) struct NewContact {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone_number: String,
    pub additional_notes: String,
    pub event_id: i64,
}

/// Edits to a contact; absent fields stay.
pub(crate) struct ContactEdits {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub additional_notes: Option<String>,
}

/// Adds a contact to an agency's event; `None` when the agency has no such event.
pub(crate) fn insert(
    connection: &Connection,
    contact: &NewContact,
    agency_id: i64,
) -> Result<Option<Contact>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO contacts (first_name, last_name, email, phone_number, additional_notes, event_id, agency_id)
         SELECT ?1, ?2, ?3, ?4, ?5, id, agency_id FROM events WHERE id = ?6 AND agency_id = ?7
         RETURNING id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id",
        parameters![
            &contact.first_name,
            &contact.last_name,
            &contact.email,
            &contact.phone_number,
            &contact.additional_notes,
            contact.event_id,
            agency_id,
        ],
        |row| decode(&row),
    )
}

/// An agency's contacts, by ascending id, of one event or of all.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    event_id: Option<i64>,
    page: &Page,
) -> Result<Vec<Contact>, DatabaseError> {
    if let Some(event_id) = event_id {
        let parameters = parameters![agency_id, page.after(), page.limit, event_id];
        query(connection, LIST_OF_EVENT, parameters, |row| decode(&row))
    } else {
        let parameters = parameters![agency_id, page.after(), page.limit];
        query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
    }
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id
    FROM contacts WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

pub(crate) const LIST_OF_EVENT: &str = "
    SELECT id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id
    FROM contacts WHERE agency_id = ?1 AND event_id = ?4 AND id > ?2 ORDER BY id LIMIT ?3";

/// One of an agency's contacts.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Contact>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id
         FROM contacts WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// Edits one of an agency's contacts.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    agency_id: i64,
    edits: &ContactEdits,
) -> Result<Option<Contact>, DatabaseError> {
    query_one(
        connection,
        "UPDATE contacts
         SET first_name = coalesce(?3, first_name), last_name = coalesce(?4, last_name), email = coalesce(?5, email),
             phone_number = coalesce(?6, phone_number), additional_notes = coalesce(?7, additional_notes)
         WHERE id = ?1 AND agency_id = ?2
         RETURNING id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id",
        parameters![
            id,
            agency_id,
            edits.first_name.as_ref(),
            edits.last_name.as_ref(),
            edits.email.as_ref(),
            edits.phone_number.as_ref(),
            edits.additional_notes.as_ref(),
        ],
        |row| decode(&row),
    )
}

/// Removes one of an agency's contacts, and returns it.
pub(crate) fn delete(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<Contact>, DatabaseError> {
    query_one(
        connection,
        "DELETE FROM contacts WHERE id = ?1 AND agency_id = ?2
         RETURNING id, first_name, last_name, email, phone_number, additional_notes, event_id, agency_id",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

fn decode(row: &Row) -> Result<Contact, DatabaseError> {
    Ok(Contact {
        id: row.get(0)?,
        first_name: row.get(1)?,
        last_name: row.get(2)?,
        email: row.get(3)?,
        phone_number: row.get(4)?,
        additional_notes: row.get(5)?,
        event_id: row.get(6)?,
        agency_id: row.get(7)?,
    })
}
