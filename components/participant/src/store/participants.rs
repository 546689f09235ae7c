//! Participants' accounts.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, NOW, Row, execute, query, query_one};
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
}

/// A participant to add.
pub(crate) struct NewParticipant {
    pub email: String,
    pub password_hash: String,
    pub phone_number: String,
}

/// Adds an account, signed out as of its creation; `None` when the e-mail is taken.
pub(crate) fn insert(
    connection: &Connection,
    participant: &NewParticipant,
) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        &format!(
            "INSERT INTO participants (email, password_hash, phone_number, time_created, time_sign_out)
             VALUES (?1, ?2, ?3, {NOW}, {NOW})
             ON CONFLICT (email) DO NOTHING
             RETURNING id, email, phone_number, time_created, time_sign_out"
        ),
        parameters![
            &participant.email,
            &participant.password_hash,
            &participant.phone_number,
        ],
        |row| decode(&row),
    )
}

/// One account.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<Participant>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, email, phone_number, time_created, time_sign_out FROM participants WHERE id = ?1",
        parameters![id],
        |row| decode(&row),
    )
}

/// The accounts with the given ids; those that are gone are left out.
pub(crate) fn find_all(connection: &Connection, ids: &[i64]) -> Result<Vec<Participant>, DatabaseError> {
    let ids = serde_json::Value::from(ids.to_vec()).to_string();
    query(
        connection,
        "SELECT id, email, phone_number, time_created, time_sign_out FROM participants
         WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id",
        parameters![ids],
        |row| decode(&row),
    )
}

/// The account that has an e-mail, with its password hash, for signing in.
pub(crate) fn find_for_sign_in(
    connection: &Connection,
    email: &str,
) -> Result<Option<(Participant, String)>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, email, phone_number, time_created, time_sign_out, password_hash
         FROM participants WHERE email = ?1",
        parameters![email],
        |row| Ok((decode(&row)?, row.get(5)?)),
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
        "UPDATE participants SET password_hash = ?2, time_sign_out = ?3 WHERE id = ?1
         RETURNING id, email, phone_number, time_created, time_sign_out",
        parameters![id, password_hash, now],
        |row| decode(&row),
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
        "UPDATE participants SET phone_number = ?2 WHERE id = ?1
         RETURNING id, email, phone_number, time_created, time_sign_out",
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

fn decode(row: &Row) -> Result<Participant, DatabaseError> {
    Ok(Participant {
        id: row.get(0)?,
        email: row.get(1)?,
        phone_number: row.get(2)?,
        time_created: row.get(3)?,
        time_sign_out: row.get(4)?,
    })
}
