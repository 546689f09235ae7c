//! Participants' accounts.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, NOW, Row, execute, query, query_one};
use service::internal::Contact;
use service::parameters;

/// A participant, as clients see one (contract 1.4).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Participant {
    pub id: i64,
    pub email: String,
    pub phone_number: String,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_created: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_sign_out: Millis,
    /// Whether a device has made the account, to press help at once.
    #[serde(rename = "guest", skip_serializing_if = "std::ops::Not::not")]
    pub is_guest: bool,
    /// What to call the participant. Only guests are asked for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What is asked of a participant, to be read by [`decode`].
pub(super) const COLUMNS: &str = "id, email, phone_number, time_created, time_sign_out, is_guest, name";

/// The contact details of a participant `p`, to be read by [`contact`].
pub(super) const CONTACT: &str = "p.email, p.phone_number, p.name, p.contact_version, p.is_guest";

/// A participant to add.
pub(crate) struct NewParticipant {
    pub email: String,
    pub password_hash: String,
    pub phone_number: String,
    pub is_guest: bool,
    pub name: String,
}

/// Adds an account, signed out as of its creation; `None` when the e-mail is taken.
pub(crate) fn insert(
    connection: &Connection,
    participant: &NewParticipant,
) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "INSERT INTO participants
                 (email, password_hash, phone_number, is_guest, name, time_created, time_sign_out, active_at)
             VALUES (?1, ?2, ?3, ?4, ?5, {NOW}, {NOW}, {NOW})
             ON CONFLICT (email) DO NOTHING
             RETURNING {COLUMNS}"
        ),
        parameters![
            &participant.email,
            &participant.password_hash,
            &participant.phone_number,
            participant.is_guest,
            &participant.name,
        ],
        |row| decode(&row),
    )
}

/// One account.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS} FROM participants WHERE id = ?1"),
        parameters![id],
        |row| decode(&row),
    )
}

/// The accounts with the given ids; those that are gone are left out. One row has all of them: each row of an answer
/// costs a libSQL server almost as much as a statement.
pub(crate) fn find_all(connection: &Connection, ids: &[i64]) -> Result<Vec<Participant>, DatabaseError> {
    type Columns = (i64, String, String, Millis, Millis, u8, String);
    let ids = serde_json::Value::from(ids).to_string();
    let found = query_one(
        connection,
        &format!(
            "SELECT json_group_array(json_array({COLUMNS})) FROM participants
             WHERE id IN (SELECT value FROM json_each(?1))"
        ),
        parameters![ids],
        |row| {
            let rows: Vec<Columns> = serde_json::from_str(&row.get::<String>(0)?)
                .map_err(|error| DatabaseError(format!("rows in JSON: {error}")))?;
            let participant =
                |(id, email, phone_number, time_created, time_sign_out, is_guest, name)| Participant {
                    id,
                    email,
                    phone_number,
                    time_created,
                    time_sign_out,
                    is_guest: is_guest != 0,
                    name,
                };
            Ok(rows.into_iter().map(participant).collect())
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// The account that has an e-mail, with its password hash, for signing in.
pub(crate) fn find_for_sign_in(
    connection: &Connection,
    email: &str,
) -> Result<Option<(Participant, String)>, DatabaseError> {
    query_one(
        connection,
        &format!("SELECT {COLUMNS}, password_hash FROM participants WHERE email = ?1"),
        parameters![email],
        |row| Ok((decode(&row)?, row.get(7)?)),
    )
}

/// The hash of an account's password.
pub(crate) fn password_hash(connection: &Connection, id: i64) -> Result<Option<String>, DatabaseError> {
    query_one(
        connection,
        "SELECT password_hash FROM participants WHERE id = ?1",
        parameters![id],
        |row| row.get(0),
    )
}

/// Replaces the hash of an unchanged password; not if the password has been changed meanwhile.
pub(crate) fn rehash_password(
    connection: &Connection,
    email: &str,
    old_hash: &str,
    new_hash: &str,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE participants SET password_hash = ?3 WHERE email = ?1 AND password_hash = ?2",
        parameters![email, old_hash, new_hash],
    )
}

/// Sets a password, and signs the account out at `now`.
pub(crate) fn set_password(
    connection: &Connection,
    id: i64,
    password_hash: &str,
    now: Millis,
) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "UPDATE participants SET password_hash = ?2, time_sign_out = ?3 WHERE id = ?1 RETURNING {COLUMNS}"
        ),
        parameters![id, password_hash, now],
        |row| decode(&row),
    )
}

/// Turns a guest into an account that somebody signs in to. A phone number that is empty leaves the guest's. `None`
/// when the e-mail is taken. To be called in `Caller::change_guest`.
pub(crate) fn promote(
    connection: &Connection,
    guest_id: i64,
    account: &NewParticipant,
) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "UPDATE OR IGNORE participants
             SET email = ?2, password_hash = ?3, phone_number = iif(?4 = '', phone_number, ?4), is_guest = 0
             WHERE id = ?1 RETURNING {COLUMNS}"
        ),
        parameters![
            guest_id,
            &account.email,
            &account.password_hash,
            &account.phone_number
        ],
        |row| decode(&row),
    )
}

/// Notes that a guest has signed in. Of others nobody asks it.
pub(crate) fn note_activity(connection: &Connection, guest_id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        &format!("UPDATE participants SET active_at = {NOW} WHERE id = ?1 AND is_guest = 1"),
        parameters![guest_id],
    )
}

/// Revokes all tokens that were issued before `now`.
pub(crate) fn sign_out(connection: &Connection, id: i64, now: Millis) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE participants SET time_sign_out = ?2 WHERE id = ?1",
        parameters![id, now],
    )
}

/// Sets the phone number.
pub(crate) fn set_phone_number(
    connection: &Connection,
    id: i64,
    phone_number: &str,
) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!("UPDATE participants SET phone_number = ?2 WHERE id = ?1 RETURNING {COLUMNS}"),
        parameters![id, phone_number],
        |row| decode(&row),
    )
}

/// Deletes an account with its locks and its rows in the outbox.
pub(crate) fn delete(connection: &Connection, id: i64) -> Result<(), DatabaseError> {
    execute(
        connection,
        "DELETE FROM outbox WHERE participant_id = ?1",
        parameters![id],
    )?;
    execute(
        connection,
        "DELETE FROM participants WHERE id = ?1",
        parameters![id],
    )
}

/// Guests with no open request who have last signed in before a time, at most so many. The canary's participants are no
/// guests.
pub(crate) fn idle_guests(
    connection: &Connection,
    active_before: Millis,
    limit: i64,
) -> Result<Vec<i64>, DatabaseError> {
    query(
        connection,
        "SELECT id FROM participants p
         WHERE is_guest = 1 AND active_at < ?1
           AND NOT EXISTS (SELECT 1 FROM locks WHERE participant_id = p.id)
           AND NOT EXISTS (SELECT 1 FROM hand_overs WHERE guest_id = p.id OR account_id = p.id)
         ORDER BY active_at LIMIT ?2",
        parameters![active_before, limit],
        |row| row.get(0),
    )
}

pub(super) fn decode(row: &Row) -> Result<Participant, DatabaseError> {
    Ok(Participant {
        id: row.get(0)?,
        email: row.get(1)?,
        phone_number: row.get(2)?,
        time_created: row.get(3)?,
        time_sign_out: row.get(4)?,
        is_guest: row.get(5)?,
        name: row.get(6)?,
    })
}

/// Reads [`CONTACT`] from the column `first` on; `None` when the account is gone.
pub(super) fn contact(row: &Row, first: usize) -> Result<Option<Contact>, DatabaseError> {
    let email: Option<String> = row.get(first)?;
    let contact = |email| {
        Ok(Contact {
            email,
            phone_number: row.get(first + 1)?,
            name: row.get(first + 2)?,
            version: row.get(first + 3)?,
            is_guest: row.get(first + 4)?,
        })
    };
    email.map(contact).transpose()
}
